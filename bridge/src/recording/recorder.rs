//! A viewer that writes what it is told.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::ring::{LEAST_BYTES, Ring};
use crate::board::Published;
use crate::codec::{LENGTH, encode};
use crate::protocol::{FromHost, Hello, RecordingState, Role, Topic};
use crate::{Result, Source};

/// Blocks from one that holds every topic to the next.
const WHOLE_EVERY: u32 = 10;

/// How long the topics of one tick may take to arrive after the first.
const GATHER: Duration = Duration::from_millis(50);

/// Where a recording goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    path: PathBuf,
    bytes: u64,
}

impl Sink {
    /// Records to a file of at most so many bytes, 1 MiB at least.
    ///
    /// The file is made with mode 0600 when recording begins. One that is there already, of a process before say, is kept
    /// beside it with `.previous` after its name, in place of any that had that name.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, bytes: u64) -> Self {
        Self {
            path: path.into(),
            bytes: bytes.max(LEAST_BYTES),
        }
    }
}

/// How a recording goes; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<RecordingState>>);

impl Progress {
    /// Returns how it stands.
    #[must_use]
    pub fn state(&self) -> RecordingState {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, note: impl FnOnce(&mut RecordingState)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Records what a source tells until it ends.
///
/// A block is written whenever the source has told something new, by a thread of the runtime's for work that blocks; while
/// that is busy only the newest is kept, as for any viewer that lags. Where a block can't be written, `progress` says so,
/// and the next one is tried; a file that somebody took away is made anew.
///
/// # Errors
///
/// If the source says no hello.
pub async fn record(source: Arc<dyn Source>, sink: Sink, progress: Progress) -> Result<()> {
    let mut hello = source.hello().await?;
    // Nobody can act through a recording.
    hello.role = Role::Observe;
    hello.allows.clear();
    progress.note(|state| {
        state.path = sink.path.display().to_string();
        state.limit_bytes = sink.bytes;
    });
    let mut writer = Writer::new(sink, &hello, progress.clone())?;
    let mut subscription = source.subscribe(&Topic::ALL);
    while let Some(first) = subscription.next().await {
        writer.take(first);
        // The topics of one tick come one after the other, from another process not all at once.
        tokio::time::sleep(GATHER).await;
        while let Some(Some(next)) = subscription.next().now_or_never() {
            writer.take(next);
        }
        progress.note(|state| state.missed = subscription.missed());
        let written = tokio::task::spawn_blocking(move || {
            writer.write();
            writer
        });
        match written.await {
            Ok(back) => writer = back,
            // It panicked, or the runtime ends.
            Err(_) => {
                progress.note(|state| state.error = Some("the recorder has ended".to_owned()));
                break;
            }
        }
    }
    Ok(())
}

/// Writes blocks, and makes the file that they go to.
struct Writer {
    sink: Sink,
    hello: Vec<u8>,
    progress: Progress,
    open: Option<Open>,
    /// The newest of each topic, and whether it is written already.
    newest: [Option<(Arc<Published>, bool)>; Topic::ALL.len()],
    since_whole: u32,
}

struct Open {
    ring: Ring<File>,
    /// Which file it is, so that it is known when another one has its name.
    device: u64,
    inode: u64,
}

impl Writer {
    fn new(sink: Sink, hello: &Hello, progress: Progress) -> Result<Self> {
        let frame = encode(&FromHost::Hello(hello.clone()))?;
        Ok(Self {
            sink,
            hello: frame.get(LENGTH..).unwrap_or_default().to_vec(),
            progress,
            open: None,
            newest: Default::default(),
            since_whole: 0,
        })
    }

    fn take(&mut self, published: Arc<Published>) {
        if let Some(place) = self.newest.get_mut(published.update.state.topic() as usize) {
            let same = place.as_ref().is_some_and(|(before, written)| {
                *written && before.update.state == published.update.state
            });
            if !same {
                *place = Some((published, false));
            }
        }
    }

    fn write(&mut self) {
        let written = self.try_write();
        self.progress.note(|state| match written {
            Ok(bytes) => {
                state.blocks += 1;
                state.written_bytes += bytes;
                state.error = None;
            }
            Err(error) => {
                state.lost += 1;
                state.error = Some(said(&error));
            }
        });
    }

    fn try_write(&mut self) -> io::Result<u64> {
        let there = match &self.open {
            Some(open) => open.is_at(&self.sink.path)?,
            None => false,
        };
        if !there {
            self.open = None;
            self.open = Some(Open::make(&self.sink, &self.hello)?);
            self.since_whole = 0;
        }
        let whole = self.since_whole == 0;
        let mut frames = Vec::new();
        let mut at_micros = 0;
        for (published, written) in self.newest.iter().flatten() {
            at_micros = at_micros.max(published.update.at.micros());
            if (whole || !written)
                && let Some(frame) = published.frame()
            {
                frames.extend_from_slice(&frame);
            }
        }
        let Some(open) = &mut self.open else {
            return Err(io::Error::other("there is no file"));
        };
        let bytes = match open.ring.write(at_micros, whole, &frames) {
            Ok(bytes) => bytes,
            Err(error) => {
                // What it held is told by the next one.
                self.since_whole = 0;
                return Err(error);
            }
        };
        self.since_whole = (self.since_whole + 1) % WHOLE_EVERY;
        for (_, written) in self.newest.iter_mut().flatten() {
            *written = true;
        }
        Ok(bytes)
    }
}

impl Open {
    fn make(sink: &Sink, hello: &[u8]) -> io::Result<Self> {
        keep_previous(&sink.path)?;
        #[cfg(test)]
        super::fault::strike()?;
        // Made anew or not at all, so nobody's prepared link is followed.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&sink.path)?;
        Self::begin(file, sink, hello).inspect_err(|_| {
            // Else the next try would keep this empty one in place of the process's before.
            let _ = fs::remove_file(&sink.path);
        })
    }

    fn begin(file: File, sink: &Sink, hello: &[u8]) -> io::Result<Self> {
        #[cfg(test)]
        super::fault::strike()?;
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            ring: Ring::begin(file, sink.bytes, hello)?,
        })
    }

    /// Tells whether the file still has its name.
    ///
    /// Where the system does not say, there is no other begun: that would push the process's before away.
    fn is_at(&self, path: &Path) -> io::Result<bool> {
        let there = status(path)?;
        Ok(there.is_some_and(|there| (there.dev(), there.ino()) == (self.device, self.inode)))
    }
}

/// What has that name, if anything has.
fn status(path: &Path) -> io::Result<Option<fs::Metadata>> {
    #[cfg(test)]
    super::fault::strike()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves a file of that name aside.
fn keep_previous(path: &Path) -> io::Result<()> {
    let Some(there) = status(path)? else {
        return Ok(());
    };
    if !there.is_file() || there.uid() != uzers::get_effective_uid() {
        return Err(io::Error::other(
            "there is something else of that name, which is no file of this user's",
        ));
    }
    let mut previous = path.as_os_str().to_owned();
    previous.push(".previous");
    #[cfg(test)]
    super::fault::strike()?;
    fs::rename(path, previous)
}

/// An error's words for a person, without the number.
fn said(error: &io::Error) -> String {
    let said = error.to_string();
    match said.find(" (os error") {
        Some(end) => said[..end].to_owned(),
        None => said,
    }
}

#[cfg(test)]
mod tests;
