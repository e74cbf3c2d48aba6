//! A TCP proxy of the test's own, which slows down, goes silent or cuts off as it is told.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A way to a server on the loopback.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where new connections lead.
    to: AtomicU16,
    delay_millis: AtomicU64,
    /// Whether connections stay open and carry nothing, as where the other end has lost its power.
    silent: AtomicBool,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Starts one before a port.
    ///
    /// # Errors
    ///
    /// When it can't listen.
    pub fn start(to: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            to: AtomicU16::new(to),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        let listen = move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) =
                    TcpStream::connect(("127.0.0.1", shared.to.load(Ordering::SeqCst)))
                else {
                    continue;
                };
                if carry(&client, &server, &shared).is_err() {
                    let _ = client.shutdown(Shutdown::Both);
                }
            }
        };
        std::thread::Builder::new()
            .name("proxy".into())
            .spawn(listen)?;
        Ok(Self { port, state })
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its port on the loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another port.
    pub fn aim(&self, to: u16) {
        self.state.to.store(to, Ordering::SeqCst);
    }

    /// Lets each piece of an answer wait.
    pub fn delay(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.state.delay_millis.store(millis, Ordering::SeqCst);
    }

    /// Carries nothing any more, or all that comes from now on.
    pub fn silence(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::SeqCst);
    }

    /// Cuts all connections; new ones are made as before.
    pub fn cut(&self) {
        let mut open = self
            .state
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the one who listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn carry(client: &TcpStream, server: &TcpStream, state: &Arc<State>) -> std::io::Result<()> {
    {
        let mut open = state.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(client.try_clone()?);
        open.push(server.try_clone()?);
    }
    for (from, to, delays) in [(client, server, false), (server, client, true)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        let state = Arc::clone(state);
        let carry = move || {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(count) = from.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                while state.silent.load(Ordering::SeqCst) && !state.ended.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let delay = state.delay_millis.load(Ordering::SeqCst);
                if delays && delay > 0 {
                    std::thread::sleep(Duration::from_millis(delay));
                }
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        };
        std::thread::Builder::new()
            .name("proxy-way".into())
            .spawn(carry)?;
    }
    Ok(())
}
