//! The server's loop: who is connected, and how long each may take. What is answered is [`http`]'s.
//!
//! A client has [`TURN`] to ask, as long again to send what it wants kept, and as long again to take the
//! answer and ask anew; then the connection is closed. What may wait for the disk runs on threads of
//! its own, so that no connection waits for another.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_blocking, yield_now};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Kiosk;
use super::http::{self, Answer, Asked, HEADERS, MAX_RECORD_BYTES};

/// How long a client may take to ask, to send a record, or to take an answer and ask again.
const TURN: Duration = Duration::from_secs(10);
/// How many may be connected: a browser opens six at most.
const CONNECTIONS: usize = 64;
/// Threads that wait for the disk or score; records are written one at a time anyway.
const WORKERS: usize = 4;
/// Lines of a head, together, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// What is read and thrown away, so that whoever sent it hears why it is refused.
const MAX_DISCARDED_BYTES: usize = 4 * MAX_RECORD_BYTES;
/// After the system has refused a connection: it is out of something that comes back.
const PAUSE: Duration = Duration::from_millis(50);

/// A server that has its address.
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
}

impl Server {
    /// Takes an address.
    ///
    /// # Errors
    /// Where another program has it.
    pub fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(WORKERS)
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(address))?;
        Ok(Self { runtime, listener })
    }

    /// The address, with the port that was free.
    ///
    /// # Errors
    /// Where the system doesn't say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the process ends.
    pub fn run(self, kiosk: Arc<Kiosk>) -> ! {
        self.runtime.block_on(async {
            let mut guests = Guests::default();
            loop {
                let Ok((stream, _)) = self.listener.accept().await else {
                    sleep(PAUSE).await;
                    continue;
                };
                guests.make_room().await;
                guests.seat(stream, &kiosk);
                // Whoever came is heard before the next comes in.
                yield_now().await;
            }
        })
    }
}

/// Who is connected, the longest first.
#[derive(Default)]
struct Guests {
    seated: Vec<(AbortHandle, Arc<Turn>)>,
    left: Arc<Notify>,
}

impl Guests {
    fn seat(&mut self, stream: TcpStream, kiosk: &Arc<Kiosk>) {
        let (kiosk, turn, left) = (Arc::clone(kiosk), Arc::default(), Arc::clone(&self.left));
        let its = Arc::clone(&turn);
        let task = tokio::spawn(async move {
            attend(kiosk, stream, its).await;
            left.notify_one();
        });
        self.seated.push((task.abort_handle(), turn));
    }

    /// Waits until one more may be connected. Whoever has been asking nothing for longest goes at
    /// once: connections that only stand open keep nobody out. Where none such is, the end of some
    /// client's turn is not far.
    async fn make_room(&mut self) {
        loop {
            self.seated.retain(|(task, _)| !task.is_finished());
            if self.seated.len() < CONNECTIONS {
                return;
            }
            let asking = self.seated.iter().enumerate();
            let longest = asking.filter_map(|(index, (_, turn))| Some((turn.ends()?, index)));
            match longest.min() {
                Some((_, index)) => self.seated.remove(index).0.abort(),
                None => self.left.notified().await,
            }
        }
    }
}

/// Whose turn it is on a connection: the client's, until then, to take what was answered and to ask;
/// or, from a head to its answer, nobody's who is timed here.
struct Turn(Mutex<Option<Instant>>);

impl Default for Turn {
    fn default() -> Self {
        Self(Mutex::new(Some(Instant::now() + TURN)))
    }
}

impl Turn {
    fn asked(&self) {
        *self.state() = None;
    }

    fn answered(&self) {
        *self.state() = Some(Instant::now() + TURN);
    }

    /// When the client's turn ends, where it is the client's.
    fn ends(&self) -> Option<Instant> {
        *self.state()
    }

    fn state(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers the requests of one connection until it closes or a turn of the client's is over.
async fn attend(kiosk: Arc<Kiosk>, stream: TcpStream, turn: Arc<Turn>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (kiosk, turn) = (Arc::clone(&kiosk), Arc::clone(&turn));
        async move {
            let (head, body) = request.into_parts();
            turn.asked();
            let answer = reply(kiosk, &head, body).await;
            turn.answered();
            Ok::<_, Infallible>(response(answer))
        }
    });
    let connection = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD_BYTES)
        // Turns bound heads too, and what hyper has no bound for: bodies, and answers not taken.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    loop {
        let look = turn.ends().unwrap_or_else(|| Instant::now() + TURN);
        // An error is of this connection, whose client has gone or doesn't speak HTTP.
        if timeout_at(look, connection.as_mut()).await.is_ok() {
            return;
        }
        if turn.ends().is_some_and(|end| end <= Instant::now()) {
            return;
        }
    }
}

async fn reply(kiosk: Arc<Kiosk>, head: &Parts, body: Incoming) -> Answer {
    let asked = match http::asked(&kiosk.door, head) {
        Ok(asked) => asked,
        Err(refused) => {
            discard(head, body).await;
            return refused;
        }
    };
    let body = match asked {
        Asked::Keep => match receive(body).await {
            Ok(body) => body,
            Err(refused) => return refused,
        },
        _ => {
            discard(head, body).await;
            Vec::new()
        }
    };
    if !asked.may_wait() {
        return http::answer(&kiosk, &asked, &body);
    }
    let work = spawn_blocking(move || http::answer(&kiosk, &asked, &body));
    work.await
        .unwrap_or_else(|_| Answer::error(500, "http.failed", "the kiosk could not answer"))
}

/// Reads a record, for so long as a client's turn is.
async fn receive(mut body: Incoming) -> Result<Vec<u8>, Answer> {
    let read = async {
        let mut record = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Answer::cut())?;
            let data = frame.data_ref().map_or(&[][..], Bytes::as_ref);
            if record.len() + data.len() > MAX_RECORD_BYTES {
                return Err(Answer::too_long());
            }
            record.extend_from_slice(data);
        }
        Ok(record)
    };
    timeout(TURN, read).await.unwrap_or_else(|_| {
        let text = format!("the record did not arrive within {} s", TURN.as_secs());
        Err(Answer::error(408, "http.timeout", &text))
    })
}

/// Reads what nobody wants, within bounds: who is still sending when the connection closes may never
/// see the answer.
async fn discard(head: &Parts, mut body: Incoming) {
    // Who asks whether to send it at all is told by the answer; and what is too much is not begun.
    let expects = head.headers.contains_key(header::EXPECT);
    if body.is_end_stream() || expects || body.size_hint().lower() > MAX_DISCARDED_BYTES as u64 {
        return;
    }
    let read = async {
        let mut left = MAX_DISCARDED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(len) else {
                return;
            };
            left = rest;
        }
    };
    // What is too slow or too much is refused all the same.
    let _ = timeout(TURN, read).await;
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    let cache = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, cache);
    if let Some(allow) = answer.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    response
}
