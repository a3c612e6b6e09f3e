//! A client of a server on `--url`: one line a check, and what the server must report about it.

use sockling_interop::{
    arguments::Arguments,
    checks::{self, Seen, Subject},
    connection::{Outcome, library},
};
use std::{env, process::ExitCode, sync::Arc};

fn run() -> Outcome<bool> {
    let arguments = Arguments::parse(env::args())?;
    let library = library(&arguments.library, &arguments.driver)?;
    let subject = Arc::new(Subject { library, url: arguments.url, deflate: arguments.deflate });
    let mut all_passed = true;
    let checks = match &arguments.variants[..] {
        [] => checks::all(arguments.echo_only),
        variants => checks::variants(variants, arguments.echo_only)?,
    };
    for check in checks {
        let skipped = arguments.skip.iter().any(|part| check.name.contains(part));
        if skipped || !check.name.contains(&arguments.only) {
            continue;
        }
        let (name, target) = (check.name.clone(), check.target());
        match check.run(&subject) {
            Ok(seen) => {
                match seen {
                    Seen::Anything => {}
                    Seen::Code(code) => println!("expect {target} {code} *"),
                    Seen::Close(code, reason) => println!("expect {target} {code} {reason}"),
                }
                println!("ok {name}");
            }
            Err(error) => {
                println!("FAIL {name}: {}", error.replace('\n', " "));
                all_passed = false;
            }
        }
    }
    Ok(all_passed)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
