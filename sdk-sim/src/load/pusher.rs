//! The third party of a load: sends single pushes when they are due, from a thread of its own.
//!
//! Owner: the run, by [`Pusher`]; the thread ends when it is dropped. Always: a push takes the
//! first free connection; if none is free it waits, and the wait counts into its latency; a push
//! whose connection was lost is sent once more with the same request id, as official clients do.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::LocalSet;

use super::books::Answers;
use super::fault::Fault;
use super::http_line::{HttpLine, Verdict};
use super::latency::Latency;
use super::pacer;
use super::payload::{CID_TEXT_LEN, Mark, Recipient, RequestTemplate};
use super::schedule::Schedule;
use crate::third_party::{Credentials, ThirdParty};

/// How long an answer may take; longer, and the push counts as failed.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Wait before a connection that could not be opened is tried again.
const REOPEN_WAIT: Duration = Duration::from_millis(100);

/// What to push, and where to.
pub(super) struct Order {
    /// `http://HOST:PORT`.
    pub(super) url: String,
    pub(super) credentials: Credentials,
    pub(super) mark: Mark,
    pub(super) payload_len: usize,
    /// Pushes in one request.
    pub(super) batch: u32,
    pub(super) connections: usize,
    /// Push `n` goes to target `n % targets.len()`; not empty.
    pub(super) targets: Vec<[u8; CID_TEXT_LEN]>,
}

/// What became of the pushes, on the HTTP side.
pub(super) struct Pushed {
    pub(super) answers: Answers,
    /// From due to answered.
    pub(super) answered: Latency,
    /// From due to the request's first byte: what the generator itself was late.
    pub(super) sent: Latency,
    /// From the start to the last answer.
    pub(super) wall: Duration,
}

/// The thread's handle.
pub(super) struct Pusher {
    go: Option<oneshot::Sender<Schedule>>,
    done: oneshot::Receiver<Result<Pushed, Fault>>,
    stop: Arc<AtomicBool>,
    /// Its end lets the thread end.
    _hold: oneshot::Sender<()>,
}

impl Pusher {
    /// Fetches a token and opens all connections.
    pub(super) async fn open(order: Order) -> Result<Self, Fault> {
        let (go, started) = oneshot::channel();
        let (opened, open) = oneshot::channel();
        let (end, done) = oneshot::channel();
        let (hold, held) = oneshot::channel::<()>();
        let stop = Arc::new(AtomicBool::new(false));
        let stop_here = Arc::clone(&stop);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Fault::io("push thread"))?;
        thread::Builder::new()
            .name("load-pusher".to_owned())
            .spawn(move || {
                let work = work(order, opened, started, stop_here);
                // Nobody listens any more after an interruption.
                let _ = end.send(LocalSet::new().block_on(&runtime, work));
                // A thread that has ended takes its CPU time with it, before the phase is summed
                // up. An error means that the handle was dropped.
                let _ = held.blocking_recv();
            })
            .map_err(Fault::io("push thread"))?;
        let mut pusher = Self {
            go: Some(go),
            done,
            stop,
            _hold: hold,
        };
        match open.await {
            Ok(()) => Ok(pusher),
            // It ended before it was open, and says why.
            Err(_) => match (&mut pusher.done).await {
                Ok(Err(fault)) => Err(fault),
                _ => Err(Fault::Pusher("its thread ended".to_owned())),
            },
        }
    }

    /// Lets the pushes begin.
    pub(super) fn start(&mut self, schedule: Schedule) {
        if let Some(go) = self.go.take() {
            // A thread that is gone is found by `finished`.
            let _ = go.send(schedule);
        }
    }

    /// Waits until every push is answered or failed.
    pub(super) async fn finished(&mut self) -> Result<Pushed, Fault> {
        let outcome = (&mut self.done).await;
        outcome.unwrap_or_else(|_| Err(Fault::Pusher("its thread ended".to_owned())))
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What the workers share.
struct Work {
    host: String,
    targets: Vec<[u8; CID_TEXT_LEN]>,
    schedule: Schedule,
    due: Arc<Semaphore>,
    /// Whose turn it is to take what is due.
    turn: Semaphore,
    next: Cell<u64>,
    stop: Arc<AtomicBool>,
    tally: RefCell<Tally>,
}

struct Tally {
    answers: Answers,
    answered: Latency,
    sent: Latency,
}

async fn work(
    order: Order,
    opened: oneshot::Sender<()>,
    started: oneshot::Receiver<Schedule>,
    stop: Arc<AtomicBool>,
) -> Result<Pushed, Fault> {
    let app_id = order.credentials.app_id.clone();
    let third_party = ThirdParty::new(&order.url, order.credentials, 1)?;
    let token = third_party.token().await?;
    drop(third_party);
    let host = order.url.trim_start_matches("http://");
    let host = host.trim_end_matches('/').to_owned();
    let mut lines = Vec::with_capacity(order.connections);
    for _ in 0..order.connections {
        let line = HttpLine::open(&host).await;
        lines.push(line.map_err(Fault::io("HTTP connection"))?);
    }
    let to = Recipient {
        host: &host,
        app_id: &app_id,
        token: &token,
    };
    let template = |count| RequestTemplate::new(&to, order.mark, order.payload_len, count);
    let whole = template(order.batch as usize);
    // The run may have been interrupted meanwhile.
    let _ = opened.send(());
    let Ok(schedule) = started.await else {
        return Err(Fault::Interrupted);
    };
    let rest = usize::try_from(schedule.total % u64::from(order.batch)).unwrap_or(0);
    let requests = Requests {
        last: (rest > 0).then(|| template(rest)),
        whole,
    };
    let due = Arc::new(Semaphore::new(0));
    pacer::start(schedule, Arc::clone(&due), Arc::clone(&stop)).map_err(Fault::io("pacer"))?;
    let work = Rc::new(Work {
        host: host.clone(),
        targets: order.targets,
        schedule,
        due,
        turn: Semaphore::new(1),
        next: Cell::new(0),
        stop,
        tally: RefCell::new(Tally {
            answers: Answers::new(schedule.total),
            answered: Latency::new(),
            sent: Latency::new(),
        }),
    });
    let workers: Vec<_> = lines
        .into_iter()
        .map(|line| tokio::task::spawn_local(push_some(Rc::clone(&work), line, requests.clone())))
        .collect();
    for worker in workers {
        let ended = worker.await;
        ended.map_err(|error| Fault::Pusher(error.to_string()))?;
    }
    let work = Rc::try_unwrap(work).map_err(|_| Fault::Pusher("a worker stayed".to_owned()))?;
    let Tally {
        answers,
        answered,
        sent,
    } = work.tally.into_inner();
    Ok(Pushed {
        answers,
        answered,
        sent,
        wall: schedule.start.elapsed(),
    })
}

/// The requests of a run: all of one size, but for a last one of what is left.
#[derive(Clone)]
struct Requests {
    whole: RequestTemplate,
    last: Option<RequestTemplate>,
}

impl Requests {
    /// The request that begins with this push.
    fn next(&mut self, number: u64, total: u64) -> &mut RequestTemplate {
        match &mut self.last {
            Some(last) if total - number <= last.count() as u64 => last,
            _ => &mut self.whole,
        }
    }
}

async fn push_some(work: Rc<Work>, line: HttpLine, mut requests: Requests) {
    let mut line = Some(line);
    loop {
        // One after the other: who waits for a batch has the first push that is due, and nobody takes one out of it.
        let Ok(turn) = work.turn.acquire().await else {
            break;
        };
        let (first, total) = (work.next.get(), work.schedule.total);
        if first >= total || work.stop.load(Ordering::Relaxed) {
            break;
        }
        let template = requests.next(first, total);
        let count = template.count() as u64;
        // A request is due when its last push is.
        match work.due.acquire_many(template.count() as u32).await {
            Ok(permits) => permits.forget(),
            // Somebody asked for the end.
            Err(_) => break,
        }
        work.next.set(first + count);
        drop(turn);
        let numbers = first..first + count;
        for (nth, number) in numbers.clone().enumerate() {
            let target = usize::try_from(number).unwrap_or(usize::MAX) % work.targets.len();
            template.fill(nth, number, &work.targets[target]);
            let late = work.schedule.late(number, Instant::now());
            work.tally.borrow_mut().sent.record(late);
        }
        let verdict = push(&work, &mut line, template.bytes()).await;
        let now = Instant::now();
        let mut tally = work.tally.borrow_mut();
        for number in numbers {
            match &verdict {
                Ok(code) => {
                    tally.answered.record(work.schedule.late(number, now));
                    tally.answers.answered(number, *code);
                }
                Err(error) => tally.answers.failed(&error.to_string()),
            }
        }
    }
}

/// Pushes once, and once more if the connection was lost. Returns the envelope's code.
async fn push(work: &Work, line: &mut Option<HttpLine>, request: &[u8]) -> io::Result<i64> {
    let mut outcome = exchange(&work.host, line, request).await;
    if outcome.is_err() {
        work.tally.borrow_mut().answers.reconnected();
        outcome = exchange(&work.host, line, request).await;
    }
    let verdict = outcome?;
    if verdict.closes {
        *line = None;
    }
    Ok(verdict.code)
}

async fn exchange(host: &str, line: &mut Option<HttpLine>, request: &[u8]) -> io::Result<Verdict> {
    let mut open = match line.take() {
        Some(open) => open,
        None => match HttpLine::open(host).await {
            Ok(open) => open,
            Err(error) => {
                tokio::time::sleep(REOPEN_WAIT).await;
                return Err(error);
            }
        },
    };
    let verdict = tokio::time::timeout(ANSWER_WAIT, open.exchange(request))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    *line = Some(open);
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::schedule::Pace;
    use super::*;

    const TOKEN: &str = r#"{"code":0,"data":{"expire_time":"1","token":"t"}}"#;
    const ACCEPTED: &str = r#"{"code":0,"data":{"TASK":{"cid":"successed_online"}}}"#;
    const BUSY: &str = r#"{"code":30019,"msg":"busy"}"#;

    /// What the server does with the n-th push, whatever connection it comes on.
    #[derive(Debug, Clone, Copy)]
    enum Deed {
        Answer(&'static str),
        HangUp,
    }

    /// Answers a connection's requests; remembers the pushes' bodies.
    async fn serve(
        stream: TcpStream,
        script: Rc<RefCell<Vec<Deed>>>,
        bodies: Rc<RefCell<Vec<String>>>,
    ) {
        let mut reader = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).await.expect("a line") == 0 {
                    return;
                }
            }
            let head = head.to_lowercase();
            let len = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; len.expect("a length").parse().expect("a number")];
            reader.read_exact(&mut body).await.expect("a body");
            let mut deed = Deed::Answer(TOKEN);
            if head.contains("/push/single/") {
                bodies
                    .borrow_mut()
                    .push(String::from_utf8(body).expect("text"));
                deed = script.borrow_mut().remove(0);
            }
            let Deed::Answer(answer) = deed else {
                return;
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            );
            reader.write_all(answer.as_bytes()).await.expect("sent");
        }
    }

    /// Pushes as often as needed for the script; returns the outcome and what the server saw.
    fn push_by(script: &[Deed], total: u64) -> (Result<Pushed, Fault>, Vec<String>) {
        push_in_batches(script, total, 1, 1)
    }

    /// The same, several pushes in a request.
    fn push_in_batches(
        script: &[Deed],
        total: u64,
        batch: u32,
        connections: usize,
    ) -> (Result<Pushed, Fault>, Vec<String>) {
        let script = Rc::new(RefCell::new(script.to_vec()));
        let bodies = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&bodies);
        let play = async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound");
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (script, seen) = (Rc::clone(&script), Rc::clone(&seen));
                    tokio::task::spawn_local(serve(stream, script, seen));
                }
            });
            let mut pusher = Pusher::open(Order {
                url: format!("http://{address}"),
                credentials: Credentials {
                    app_id: "app".to_owned(),
                    app_key: "key".to_owned(),
                    master_secret: "secret".to_owned(),
                },
                mark: Mark::random().expect("random bytes"),
                payload_len: 30,
                batch,
                connections,
                targets: vec![[b'1'; CID_TEXT_LEN], [b'2'; CID_TEXT_LEN]],
            })
            .await?;
            pusher.start(Schedule {
                start: Instant::now(),
                pace: Pace::AtOnce,
                total,
            });
            pusher.finished().await
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let outcome = LocalSet::new().block_on(&runtime.expect("a runtime"), play);
        let bodies = bodies.take();
        (outcome, bodies)
    }

    #[test]
    fn given_answers_when_pushed_should_count_each_and_take_targets_in_turn() {
        let script = [ACCEPTED, BUSY, ACCEPTED].map(Deed::Answer);
        let (pushed, bodies) = push_by(&script, 3);
        let pushed = pushed.expect("all answered");
        assert_eq!(pushed.answers.accepted(), 2);
        assert_eq!(pushed.answers.refused().get(&30019), Some(&1));
        assert_eq!(pushed.answers.reconnects(), 0);
        assert_eq!(pushed.answered.percentiles().expect("timed").count, 3);
        assert_eq!(pushed.sent.percentiles().expect("timed").count, 3);
        let targets: Vec<bool> = bodies
            .iter()
            .map(|body| body.contains(&"1".repeat(CID_TEXT_LEN)))
            .collect();
        assert_eq!(targets, [true, false, true]);
    }

    #[test]
    fn given_batches_when_pushed_should_send_what_is_left_in_a_last_one() {
        let script = [Deed::Answer(ACCEPTED); 3];
        // More connections than requests: those that find nothing take nothing away.
        let (pushed, bodies) = push_in_batches(&script, 7, 3, 5);
        let pushed = pushed.expect("all answered");
        assert_eq!(pushed.answers.accepted(), 7);
        assert_eq!(pushed.answered.percentiles().expect("timed").count, 7);
        let mut counts: Vec<usize> = bodies
            .iter()
            .map(|body| body.matches("request_id").count())
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 3, 3]);
    }

    #[test]
    fn given_a_lost_connection_when_pushed_should_repeat_once_with_the_same_bytes() {
        let script = [
            Deed::HangUp,
            Deed::Answer(ACCEPTED),
            Deed::HangUp,
            Deed::HangUp,
            Deed::Answer(ACCEPTED),
        ];
        let (pushed, bodies) = push_by(&script, 3);
        let pushed = pushed.expect("the third was answered");
        assert_eq!(bodies[0], bodies[1]);
        assert_eq!(bodies[2], bodies[3]);
        assert_ne!(bodies[1], bodies[2]);
        assert_eq!(pushed.answers.accepted(), 2);
        assert_eq!(pushed.answers.failures(), 1);
        assert_eq!(pushed.answers.reconnects(), 2);
    }
}
