use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// A frame that counts among the bytes of all for as long as anybody has a part of it.
struct Counted {
    frame: Bytes,
    all: Arc<AtomicUsize>,
}

/// Counts a frame until the last of those who have it lets it go.
pub(crate) fn counted(frame: Bytes, all: &Arc<AtomicUsize>) -> Bytes {
    all.fetch_add(frame.len(), Ordering::Relaxed);
    Bytes::from_owner(Counted {
        frame,
        all: Arc::clone(all),
    })
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.fetch_sub(self.frame.len(), Ordering::Relaxed);
    }
}
