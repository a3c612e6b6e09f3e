//! What callbacks get, and what they may do.

use std::{
    io::{Read, Write},
    net::Shutdown,
    sync::mpsc,
    thread,
};

use sockling::{
    CloseCode, ConnectOptions, Kind, Message,
    app::Backoff,
    net::{Error, ServerOptions, app::Handle},
};

use crate::{
    peer::{Authority, answer, echo, ms, open, read_frame, read_head},
    script::{Diary, app, opened, quick, serve, wait_until},
};

/// All callbacks, and in between a fragmented message with a ping inside.
#[test]
fn each_callback() {
    let frames =
        [0x81, 2, b'h', b'i', 0x02, 1, 7, 0x89, 1, b'p', 0x8A, 1, b'q', 0x80, 1, 8, 0x88, 2, 3, 0xE8];
    for parts in [false, true] {
        let url = serve(vec![opened(move |mut tcp| {
            tcp.write_all(&frames).unwrap();
            assert_eq!(read_frame(&mut tcp), (0x8A, b"p".to_vec()));
            read_frame(&mut tcp);
        })]);
        let diary = Diary::default();
        let [data, ping, pong, fragment] = [(); 4].map(|()| diary.clone());
        let mut app = diary
            .app(url)
            .on_data(move |_, part| {
                data.note(format!("data {:?} {} {} {:?}", part.kind, part.first, part.fin, part.data));
                Ok(())
            })
            .on_ping(move |_, payload| {
                ping.note(format!("ping {payload:?}"));
                Ok(())
            })
            .on_pong(move |_, payload| {
                pong.note(format!("pong {payload:?}"));
                Ok(())
            });
        if parts {
            app = app.on_fragment(move |_, part| {
                fragment
                    .note(format!("fragment {:?} {} {} {:?}", part.kind, part.first, part.fin, part.data));
                Ok(())
            });
        }
        app.run_forever().unwrap();
        let notes = diary.take();
        if parts {
            // How parts are cut is not said; what is in them is.
            let binary: Vec<_> = notes.iter().filter(|note| note.starts_with("fragment Binary")).collect();
            assert!(binary[0].starts_with("fragment Binary true false [7"), "{notes:?}");
            assert!(binary.last().unwrap().contains(" true ["), "{notes:?}");
            assert!(!notes.iter().any(|note| note.starts_with("message")), "{notes:?}");
        } else {
            let want = [
                "open",
                "data Text true true [104, 105]",
                "message hi",
                "ping [112]",
                "pong [113]",
                "data Binary true true [7, 8]",
                "message 0708",
                "close 1000 \"\"",
            ];
            assert_eq!(notes, want);
        }
    }
}

#[test]
fn row_29_send_close_and_drop_in_every_callback() {
    type Act = fn(&Handle);
    let acts: [(&str, Act); 4] = [
        ("send", |ws| drop(ws.send("from a callback"))),
        ("send much", |ws| (0..100).for_each(|_| drop(ws.send(&[7; 70_000])))),
        ("close", |ws| ws.close()),
        ("drop a clone", |ws| drop(ws.clone())),
    ];
    for (name, act) in acts {
        for place in 0..9 {
            let url = serve(vec![
                opened(|mut tcp| {
                    tcp.write_all(&[0x81, 1, b'x', 0x89, 0, 0x8A, 0]).unwrap();
                    thread::sleep(ms(5));
                }),
                opened(|mut tcp| {
                    tcp.write_all(&[0x88, 0]).unwrap();
                    tcp.shutdown(Shutdown::Write).unwrap();
                    while tcp.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
                }),
            ]);
            let here = |at| {
                move |ws: &Handle| {
                    if at == place {
                        act(ws)
                    }
                }
            };
            let (open, again, message, ping, pong, error, close) =
                (here(0), here(1), here(2), here(3), here(4), here(5), here(6));
            let (data, fragment) = (here(7), here(8));
            let (mut opens, mut closes) = (0, 0);
            let mut app = app(url);
            if place == 8 {
                // It takes the place of `on_message`.
                app = app.on_fragment(|ws, _| {
                    fragment(ws);
                    Ok(())
                });
            }
            let result = app
                .on_data(|ws, _| {
                    data(ws);
                    Ok(())
                })
                .on_open(|ws| {
                    opens += 1;
                    open(ws);
                    Ok(())
                })
                .on_reconnect(|ws, _| {
                    again(ws);
                    Ok(())
                })
                .on_message(|ws, _| {
                    message(ws);
                    Ok(())
                })
                .on_ping(|ws, _| {
                    ping(ws);
                    Ok(())
                })
                .on_pong(|ws, _| {
                    pong(ws);
                    Ok(())
                })
                .on_error(|ws, _| error(ws))
                .on_close(|ws, _| {
                    closes += 1;
                    close(ws);
                })
                .run_forever();
            assert!(result.is_ok(), "{name} {place}: {result:?}");
            assert_eq!(opens, 1, "{name} {place}");
            let ended = name == "close" && place != 1;
            assert_eq!(closes, if ended { 1 } else { 2 }, "{name} {place}");
        }
    }
}

#[test]
fn errors_of_callbacks() {
    let hello = || {
        opened(|mut tcp| {
            tcp.write_all(&[0x81, 1, b'x', 0x81, 1, b'y']).unwrap();
            let (first, body) = read_frame(&mut tcp);
            tcp.write_all(&[0x88, 0]).unwrap();
            assert_eq!((first, &body[..]), (0x88, &1011_u16.to_be_bytes()[..]));
        })
    };
    // Nobody listens: it is the end.
    let error =
        app(serve(vec![hello()])).on_message(|_, _| Err(Error::other("no"))).run_forever().unwrap_err();
    assert_eq!(error.to_string(), "no");
    // Somebody does: it goes on.
    let diary = Diary::default();
    let result = diary
        .app(serve(vec![hello()]))
        .on_message(|ws, message| {
            if message.as_text() == Some("y") {
                ws.close_with(CloseCode::INTERNAL_ERROR, "")?;
            }
            Err(Error::other(message.to_string()))
        })
        .run_forever();
    assert!(result.is_ok());
    assert_eq!(diary.take(), ["open", "error Other(x)", "error Other(y)", "close 1005 \"\""]);
}

#[test]
fn providers_are_asked_before_each_attempt() {
    let (sender, heads) = mpsc::channel();
    let script = || {
        let sender = sender.clone();
        let script: Box<dyn FnOnce(std::net::TcpStream) + Send> = Box::new(move |mut tcp| {
            let head = read_head(&mut tcp);
            sender.send(head).unwrap();
        });
        script
    };
    let url = serve(vec![script(), script()]);
    let mut tokens = 0..9;
    let mut paths = ["a", "b", "c", "d"].iter();
    let mut backoff = quick();
    backoff.max_attempts = 3;
    let diary = Diary::default();
    let error = diary
        .app("ws://unused.invalid/")
        .header("X-Fixed", "always")
        .url_from(|| Ok(format!("{url}/{}", paths.next().unwrap())))
        .headers_from(|| match tokens.next() {
            Some(0) => Err(Error::other("no token yet")),
            token => Ok(vec![("X-Token".into(), format!("{token:?}"))]),
        })
        .options_from(|options| Ok(options.host("host.example")))
        .reconnect(backoff)
        .run_forever()
        .unwrap_err();
    assert!(matches!(error, Error::Connect { .. } | Error::Io(_)), "{error:?}");
    let notes = diary.take();
    assert_eq!(
        notes[..3],
        ["error Other(no token yet)", "error Handshake(UnexpectedEof)", "error Handshake(UnexpectedEof)"]
    );
    for (path, token) in [("b", 1), ("c", 2)] {
        let head = heads.recv().unwrap();
        assert!(head.starts_with(&format!("GET /path/{path} HTTP/1.1\r\n")), "{head}");
        for line in ["X-Fixed: always", &format!("X-Token: Some({token})"), "Host: host.example"] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
        }
    }
}

/// What the first connection was given in `Set-Cookie`, the second one brings; options for others do not.
#[test]
fn cookies_are_kept_for_the_attempts_that_follow() {
    let (sender, heads) = mpsc::channel();
    let script = |close: bool| {
        let sender = sender.clone();
        let script: Box<dyn FnOnce(std::net::TcpStream) + Send> = Box::new(move |mut tcp| {
            let head = read_head(&mut tcp);
            let frame: &[u8] = if close { &[0x88, 0] } else { &[] };
            let answer = answer(&head, "Set-Cookie: session=7\r\n");
            tcp.write_all(&[answer.as_bytes(), frame].concat()).unwrap();
            sender.send(head).unwrap();
            if close {
                read_frame(&mut tcp);
            }
        });
        script
    };
    let url = serve(vec![script(false), script(true), script(true)]);
    let options = ConnectOptions::new();
    for with_cookie in [true, false] {
        app(&url).options(options.clone()).run_forever().unwrap();
        let head = heads.try_iter().last().unwrap();
        assert_eq!(head.contains("\r\nCookie: session=7\r\n"), with_cookie, "{head}");
    }
}

/// Nothing is written twice or lost silently: what does not get out comes back.
#[test]
fn what_was_not_sent_comes_back() {
    let (sender, closing) = mpsc::channel::<()>();
    let url = serve(vec![
        opened(move |_tcp| assert!(closing.recv().is_err())),
        opened(|mut tcp| {
            tcp.write_all(&[0x88, 0]).unwrap();
            // The close frame comes first: nothing of the first connection is sent on this one.
            assert_eq!(read_frame(&mut tcp).0, 0x88);
        }),
    ]);
    let big = vec![5; 1 << 20];
    let (count_in, count_out) = mpsc::channel();
    let mut sent = 0_u64;
    let mut hold = Some(sender);
    let result = app(url)
        .on_open(|ws| {
            while ws.send(&big).is_ok() {
                sent += 1;
            }
            let (ws, hold) = (ws.clone(), hold.take());
            thread::spawn(move || {
                // Some are written, and then it is full.
                let mut last = usize::MAX;
                wait_until(|| {
                    thread::sleep(ms(100));
                    ws.queued() == 16 || ws.queued() > 0
                });
                while ws.queued() != last {
                    last = ws.queued();
                    thread::sleep(ms(100));
                }
                drop(hold);
            });
            Ok(())
        })
        .on_reconnect(|_, _| Ok(()))
        .on_unsent(|ws, unsent| {
            assert!(matches!(ws.send("x"), Err(Error::NotConnected)));
            assert!(unsent.messages().all(|message| message == Message::Binary(&big)));
            count_in.send((unsent.messages().len() as u64, unsent.in_doubt())).unwrap();
            Ok(())
        })
        .run_forever();
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(sent, 16);
    let (unsent, in_doubt) = count_out.recv().unwrap();
    assert!(unsent >= 1, "{unsent}");
    assert_eq!(unsent + in_doubt, sent);
    assert!(count_out.try_recv().is_err());
}

/// What a pong of the keepalive, or the answer to the close frame, confirms is not in doubt.
#[test]
fn pongs_confirm_what_has_arrived() {
    for (pong, close, want) in
        [(true, false, Some(1)), (false, false, Some(3)), (true, true, None), (false, true, None)]
    {
        let url = serve(vec![opened(move |mut tcp| {
            for text in [b"a", b"b"] {
                assert_eq!(read_frame(&mut tcp), (0x81, text.to_vec()));
            }
            let (first, payload) = read_frame(&mut tcp);
            assert_eq!(first, 0x89);
            let answer: &[u8] = if pong { &payload } else { b"something else" };
            tcp.write_all(&[&[0x8A, u8::try_from(answer.len()).unwrap()][..], answer].concat()).unwrap();
            // More pings may come.
            let data = |tcp: &mut _| loop {
                match read_frame(tcp) {
                    (0x89, _) => {}
                    frame => return frame,
                }
            };
            assert_eq!(data(&mut tcp), (0x81, b"c".to_vec()));
            if close {
                tcp.write_all(&[0x81, 0]).unwrap();
                assert_eq!(data(&mut tcp).0, 0x88);
                tcp.write_all(&[0x88, 0]).unwrap();
                // The answer is there, and the end of the stream not yet.
                thread::sleep(ms(50));
            }
        })]);
        let mut doubts = None;
        let ended = app(url)
            .keepalive(ms(30), ms(5000))
            .reconnect(Backoff::NEVER)
            .on_open(|ws| ws.send("a").and_then(|()| ws.send("b")))
            .on_pong(|ws, _| ws.send("c"))
            .on_message(|ws, _| {
                ws.close();
                Ok(())
            })
            .on_unsent(|_, unsent| {
                assert_eq!(unsent.messages().len(), 0);
                doubts = Some(unsent.in_doubt());
                Ok(())
            })
            .run_forever();
        assert_eq!(doubts, want, "{pong} {close} {ended:?}");
    }
}

#[test]
fn large_messages_both_ways_also_over_tls() {
    let authority = Authority::new();
    for tls in [false, true] {
        let mut server = ServerOptions::new();
        let mut client = ConnectOptions::new().add_root_certificates(&authority.pem).unwrap();
        if tls {
            server = server.tls(authority.server("localhost", false));
        } else {
            client = client.read_timeout(Some(ms(1)));
        }
        let (url, server) = echo(server);
        let url = if tls { url.replace("ws://127.0.0.1", "wss://localhost") } else { url };
        let large: Vec<u8> = (0..9 << 20).map(|i: u32| (i % 251) as u8).collect();
        let mut got = 0;
        let result = app(url)
            .options(client)
            .reconnect(Backoff::NEVER)
            .on_open(|ws| ws.send(&large).and_then(|()| ws.send("after it")))
            .on_message(|ws, message| {
                match message.kind() {
                    Kind::Binary => assert!(message.as_bytes() == large),
                    _ => ws.close(),
                }
                got += 1;
                Ok(())
            })
            .run_forever();
        assert!(result.is_ok_and(|close| close.is_clean()));
        assert_eq!(got, 2);
        server.join().unwrap();
    }
}

#[test]
fn many_threads_send() {
    const THREADS: usize = 8;
    const EACH: usize = 500;
    let (url, server) = echo(ServerOptions::new());
    let mut next = [0; THREADS];
    let mut received = 0;
    let mut senders = Vec::new();
    let result = app(url)
        .queue_limits(10, 1 << 20)
        .reconnect(Backoff::NEVER)
        .on_open(|ws| {
            for thread in 0..THREADS {
                let ws = ws.clone();
                senders.push(thread::spawn(move || {
                    for number in 0..EACH {
                        while let Err(error) = ws.send(&format!("{thread} {number}")) {
                            assert!(matches!(error, Error::QueueFull), "{error:?}");
                            thread::yield_now();
                        }
                    }
                }));
            }
            Ok(())
        })
        .on_message(|ws, message| {
            let (thread, number) = message.as_text().unwrap().split_once(' ').unwrap();
            let next = &mut next[thread.parse::<usize>().unwrap()];
            assert_eq!(number, next.to_string());
            *next += 1;
            received += 1;
            if received == THREADS * EACH {
                ws.close();
            }
            Ok(())
        })
        .run_forever();
    assert!(result.is_ok_and(|close| close.is_clean()));
    assert_eq!(received, THREADS * EACH);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    server.join().unwrap();
}

#[test]
fn a_full_queue_refuses() {
    let url = serve(vec![Box::new(|mut tcp| {
        open(&mut tcp, &[0x88, 0]);
        tcp.shutdown(Shutdown::Write).unwrap();
        while tcp.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    })]);
    app(url)
        .queue_limits(2, 100)
        .on_open(|ws| {
            ws.send("1")?;
            assert!(matches!(ws.send(&[0; 100]), Err(Error::QueueFull)));
            ws.send("2")?;
            assert!(matches!(ws.send("3"), Err(Error::QueueFull)));
            Ok(())
        })
        .run_forever()
        .unwrap();
}
