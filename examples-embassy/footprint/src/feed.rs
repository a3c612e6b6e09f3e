//! What the app does with its connections.

use core::convert::Infallible;

use sockling::{
    CloseCode, Error, Message,
    app::embedded::{Handler, Sender, TcpError},
};

/// Greets, and ends when it is greeted over the second connection.
#[derive(Default)]
pub struct Feed {
    opened: u8,
}

impl Handler<TcpError<Infallible, Infallible>, Infallible> for Feed {
    async fn on_open(&mut self, ws: &mut impl Sender<Infallible>) -> Result<(), Error<Infallible>> {
        self.opened += 1;
        ws.send("Hello").await
    }

    async fn on_message(
        &mut self,
        ws: &mut impl Sender<Infallible>,
        message: Message<'_>,
    ) -> Result<(), Error<Infallible>> {
        match message {
            Message::Text("Hello") if self.opened > 1 => ws.close(CloseCode::NORMAL, "bye").await,
            _ => Ok(()),
        }
    }
}
