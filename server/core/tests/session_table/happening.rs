//! All that can happen to one session: each frame in its variants, broken bytes, time, the store,
//! the operator, another login.
//!
//! Always: every kind of frame is here under its name in the protocol; a test of the table compares.

use bytes::Bytes;
use protocol::{
    Command, CommandResult, Feedback, Frame, FrameError, GoAway, GoAwayReason, Hello,
    Identity as Who, Kind, MessageId, Operation, Push, ResultCode, Upstream, UpstreamAck,
    UpstreamId, UpstreamStatus, Welcome,
};
use schema::record::App;
use server_core::command::Answer;
use server_core::op::{Committed, Done, Failed, Origin};
use server_core::read::Page;
use server_core::rows::{Keyspace, RowsError};

use super::subject::{
    ACKED, NOT_SENT, SENT, SUBJECT, State, Subject, bye, cid_at, demo, hello, known, message,
    registration, row, stored,
};

/// One thing that can happen.
pub(crate) struct Happening {
    /// What kind of thing; variants of one kind that end alike share a line.
    pub(crate) kind: &'static str,
    /// Which of them; empty if there is only one.
    pub(crate) variant: &'static str,
    /// Where it can happen.
    pub(crate) can_be: fn(State) -> bool,
    pub(crate) run: fn(&mut Subject),
}

/// Its name, and what it does to the subject.
type Variant = (&'static str, fn(&mut Subject));

/// All of it, in the order of the table.
pub(crate) fn all() -> Vec<Happening> {
    [
        connections(),
        hellos(),
        acks_and_commands(),
        other_frames(),
        bytes_that_are_no_frame(),
        time_and_peers(),
        answers_of_the_store(),
        operator(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of(kind: &'static str, can_be: fn(State) -> bool, variants: Vec<Variant>) -> Vec<Happening> {
    let happening = |(variant, run)| Happening {
        kind,
        variant,
        can_be,
        run,
    };
    variants.into_iter().map(happening).collect()
}

fn new(state: State) -> bool {
    state == State::New
}

fn exists(state: State) -> bool {
    state != State::New
}

fn live(state: State) -> bool {
    state == State::Live
}

fn registering_or_gone(state: State) -> bool {
    matches!(state, State::Registering | State::Closed)
}

fn connections() -> Vec<Happening> {
    [
        of("connection accepted", new, vec![("", Subject::opens)]),
        of(
            "handed over by another shard",
            new,
            vec![
                ("login", |s| s.is_handed_over(login())),
                ("wrong secret", |s| s.is_handed_over(wrong_secret())),
                ("unknown CID", |s| s.is_handed_over(unknown_cid())),
                ("app disabled meanwhile", |s| {
                    is_disabled(s);
                    s.is_handed_over(login());
                }),
                ("app deleted meanwhile", |s| {
                    s.commits(Committed::AppGone(demo()));
                    s.is_handed_over(login());
                }),
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn login() -> Hello {
    hello(Who::Login(known()))
}

fn wrong_secret() -> Hello {
    Hello {
        secret: protocol::DeviceSecret::from_bytes([9; 32]),
        ..login()
    }
}

fn unknown_cid() -> Hello {
    hello(Who::Login(cid_at(0, 0x99)))
}

fn login_to(app_id: &str) -> Hello {
    Hello {
        app_id: app_id.to_owned(),
        ..login()
    }
}

fn hellos() -> Vec<Happening> {
    of(
        "Hello",
        exists,
        vec![
            ("register", |s| s.frame(Frame::Hello(registration()))),
            ("register, store busy", |s| {
                s.finds_the_store_busy();
                s.frame(Frame::Hello(registration()));
            }),
            ("log in", |s| s.frame(Frame::Hello(login()))),
            ("log in, CID of another shard", |s| {
                s.frame(Frame::Hello(hello(Who::Login(cid_at(1, 0x33)))))
            }),
            ("log in, unknown CID", |s| {
                s.frame(Frame::Hello(unknown_cid()))
            }),
            ("log in, wrong secret", |s| {
                s.frame(Frame::Hello(wrong_secret()))
            }),
            ("log in, CID of another app", |s| {
                s.frame(Frame::Hello(login_to("other")))
            }),
            ("unknown app", |s| s.frame(Frame::Hello(login_to("none")))),
            ("disabled app", |s| s.frame(Frame::Hello(login_to("off")))),
            ("sign missing", |s| {
                s.frame(Frame::Hello(login_to("signed")))
            }),
        ],
    )
}

fn bind(alias: &str) -> Operation {
    Operation::BindAlias {
        alias_type: String::new(),
        alias: alias.to_owned(),
    }
}

fn unbind(everywhere: bool) -> Operation {
    Operation::UnbindAlias {
        everywhere,
        alias_type: String::new(),
        alias: "alice".to_owned(),
    }
}

fn command(operation: Operation) -> Frame {
    Frame::Command(Command {
        serial: 7,
        operation,
    })
}

fn tags(tags: &[&str]) -> Operation {
    Operation::SetTags(tags.iter().map(|tag| (*tag).to_owned()).collect())
}

fn feedback(action: u32) -> Operation {
    Operation::Feedback(vec![Feedback {
        message: MessageId(SENT),
        action,
        ago_s: 0,
    }])
}

fn upstream() -> Frame {
    Frame::Upstream(Upstream {
        id: UpstreamId(7),
        task_id: String::new(),
        body: Bytes::from_static(b"x"),
    })
}

fn acks_and_commands() -> Vec<Happening> {
    let mut all = of(
        "Ack",
        exists,
        vec![
            ("sent", |s| s.acks(&[SENT])),
            ("acked before", |s| s.acks(&[ACKED])),
            ("never sent", |s| s.acks(&[NOT_SENT])),
        ],
    );
    all.extend(of(
        "Command",
        exists,
        vec![
            ("bind alias", |s| s.frame(command(bind("alice")))),
            ("bind alias, bad name", |s| s.frame(command(bind("a b")))),
            ("bind alias, store busy", |s| {
                s.finds_the_store_busy();
                s.frame(command(bind("alice")));
            }),
            ("unbind alias", |s| s.frame(command(unbind(false)))),
            ("unbind alias everywhere", |s| {
                s.frame(command(unbind(true)))
            }),
            ("set tags", |s| s.frame(command(tags(&["a"])))),
            ("set tags, one twice", |s| {
                s.frame(command(tags(&["a", "a"])))
            }),
            ("query tags", |s| s.frame(command(Operation::QueryTags))),
            ("push switch", |s| {
                s.frame(command(Operation::PushSwitch { on: false }))
            }),
            ("badge", |s| s.frame(command(Operation::Badge(1)))),
            ("feedback", |s| s.frame(command(feedback(10_000)))),
            ("feedback, bad action", |s| {
                s.frame(command(feedback(10_001)))
            }),
            ("unknown op", |s| s.frame(command(Operation::Unknown(0x70)))),
        ],
    ));
    all.extend(of(
        "Upstream",
        exists,
        vec![
            ("", |s| s.frame(upstream())),
            ("store busy", |s| {
                s.finds_the_store_busy();
                s.frame(upstream());
            }),
        ],
    ));
    all
}

/// Every kind without variants. Those that only a server sends never pass the decoder; here they
/// show that the core would not take them either.
fn other_frames() -> Vec<Happening> {
    let frames: [Variant; 8] = [
        ("Ping", |s| s.frame(Frame::Ping)),
        ("Pong", |s| s.frame(Frame::Pong)),
        ("Close", |s| s.frame(Frame::Close(bye()))),
        ("Welcome", |s| {
            s.frame(Frame::Welcome(Welcome {
                minor: 0,
                registered: false,
                cid: known(),
                generation: 1,
                server_time_ms: 0,
                heartbeat_s: 0,
                heartbeat_min_s: 0,
                heartbeat_max_s: 0,
                window: 0,
            }))
        }),
        ("Push", |s| {
            s.frame(Frame::Push(Push {
                id: MessageId(1),
                sealed: false,
                body: Bytes::new(),
            }))
        }),
        ("CommandResult", |s| {
            s.frame(Frame::CommandResult(CommandResult {
                serial: 7,
                op: 1,
                code: ResultCode::Ok,
                detail: Bytes::new(),
            }))
        }),
        ("UpstreamAck", |s| {
            s.frame(Frame::UpstreamAck(UpstreamAck {
                id: UpstreamId(7),
                status: UpstreamStatus::Stored,
            }))
        }),
        ("GoAway", |s| {
            s.frame(Frame::GoAway(GoAway {
                reason: GoAwayReason::Draining,
                jitter_ms: 0,
                endpoint: String::new(),
            }))
        }),
    ];
    frames
        .into_iter()
        .flat_map(|(kind, run)| of(kind, exists, vec![("", run)]))
        .collect()
}

fn upstream_taken(status: UpstreamStatus) -> Done {
    Done::UpstreamTaken {
        session: SUBJECT,
        id: UpstreamId(7),
        status,
    }
}

fn bytes_that_are_no_frame() -> Vec<Happening> {
    of(
        "bytes that are no frame",
        exists,
        vec![
            ("unknown kind below 0x80", |s| {
                s.sends_garbage(FrameError::UnknownKind { kind: 0x7f })
            }),
            ("wrong direction", |s| {
                s.sends_garbage(FrameError::WrongDirection { kind: Kind::Push })
            }),
            ("too long", |s| {
                s.sends_garbage(FrameError::BodyTooLong {
                    kind: 0x06,
                    limit: 16_384,
                    got: 16_385,
                })
            }),
            ("unknown hello flag", |s| {
                s.sends_garbage(FrameError::ReservedBits {
                    field: "hello.flags",
                    known: 1,
                    got: 2,
                })
            }),
            ("malformed body", |s| {
                s.sends_garbage(FrameError::Truncated {
                    field: "ack.first",
                    need: 8,
                    have: 7,
                })
            }),
        ],
    )
}

fn time_and_peers() -> Vec<Happening> {
    [
        of("connection gone", exists, vec![("", Subject::closes)]),
        of(
            "silence",
            exists,
            vec![
                ("9 s", |s| s.is_silent_for_s(9)),
                ("11 s", |s| s.is_silent_for_s(11)),
                ("1.5 heartbeats", |s| s.is_silent_for_s(361)),
            ],
        ),
        of(
            "newer login of the known CID",
            exists,
            vec![("", Subject::is_rivalled)],
        ),
        of("next tick", exists, vec![("", Subject::ticks)]),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn answers_of_the_store() -> Vec<Happening> {
    [
        of(
            "registration durable",
            registering_or_gone,
            vec![
                ("new CID", |s| {
                    s.is_registered(cid_at(0, 0x44), Some(row(0x22)))
                }),
                ("known CID", |s| s.is_registered(known(), None)),
                ("known CID of another shard", |s| {
                    s.is_registered(cid_at(1, 0x33), None)
                }),
                ("app deleted meanwhile", |s| {
                    s.commits(Committed::AppGone(demo()));
                    s.is_registered(cid_at(0, 0x44), Some(row(0x22)));
                }),
                ("app disabled meanwhile", |s| {
                    is_disabled(s);
                    s.is_registered(cid_at(0, 0x44), Some(row(0x22)));
                }),
            ],
        ),
        of(
            "registration refused by the store",
            registering_or_gone,
            vec![("", |s| s.done(Done::Failed(Failed::Registration(SUBJECT))))],
        ),
        of(
            "change of aliases",
            live,
            vec![
                ("durable", |s| {
                    end_of_bind(s, |origin| Done::Answered {
                        origin,
                        answer: Box::new(Answer::Done),
                    })
                }),
                ("CID unknown to the store", |s| {
                    end_of_bind(s, |origin| Done::Answered {
                        origin,
                        answer: Box::new(Answer::TargetInvalid),
                    })
                }),
                ("refused by the store", |s| {
                    end_of_bind(s, |origin| Done::Failed(Failed::Origin(origin)))
                }),
            ],
        ),
        of(
            "message to the third party",
            live,
            vec![
                ("durable", |s| {
                    end_of_upstream(s, upstream_taken(UpstreamStatus::Stored));
                }),
                ("no receiver", |s| {
                    end_of_upstream(s, upstream_taken(UpstreamStatus::NoReceiver));
                }),
                ("refused by the store", |s| {
                    let failed = Failed::Upstream(SUBJECT, UpstreamId(7));
                    end_of_upstream(s, Done::Failed(failed));
                }),
                ("delivered", |s| {
                    s.commits(Committed::UpstreamEnded {
                        cid: known(),
                        id: UpstreamId(7),
                        status: UpstreamStatus::Delivered,
                    })
                }),
            ],
        ),
        of(
            "message durable",
            live,
            vec![("", |s| s.commits(stored(SENT + 1)))],
        ),
        of(
            "backlog",
            live,
            vec![
                ("a page", |s| {
                    let first = s.falls_behind();
                    s.read(Ok(Page {
                        messages: vec![message(first)],
                        complete: true,
                    }));
                }),
                ("unreadable", |s| {
                    s.falls_behind();
                    s.read(Err(RowsError::Read {
                        keyspace: Keyspace::Meta,
                        reason: "by the table".to_owned(),
                    }));
                }),
            ],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The app of the known device is disabled.
fn is_disabled(subject: &mut Subject) {
    subject.commits(Committed::App(App {
        disabled: true,
        ..demo()
    }));
}

/// A bind was submitted before, and ends so.
fn end_of_upstream(subject: &mut Subject, done: Done) {
    subject.frame(upstream());
    subject.done(done);
}

fn end_of_bind(subject: &mut Subject, end: fn(Origin) -> Done) {
    subject.frame(command(bind("alice")));
    subject.done(end(Origin::Device {
        session: SUBJECT,
        serial: 7,
        op: 1,
    }));
}

fn operator() -> Vec<Happening> {
    [
        of("app disabled", exists, vec![("", is_disabled)]),
        of(
            "app deleted",
            exists,
            vec![("", |s| s.commits(Committed::AppGone(demo())))],
        ),
        of("drain begins", exists, vec![("", Subject::is_drained)]),
        of("drain ends", exists, vec![("", Subject::is_finished)]),
    ]
    .into_iter()
    .flatten()
    .collect()
}
