//! Long work with the GIL released: Ctrl-C ends it, progress is told, nothing hangs after a fork.
//!
//! The work runs on a thread of its own; the calling thread polls for signals. Signals reach only
//! Python's main thread, so a call from another thread cannot be interrupted, as everywhere else.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Time between two looks at signals: well under the 0.2 s in which Ctrl-C must end a run.
const POLL: Duration = Duration::from_millis(20);

/// What to tell about a long run: a callback `(done, total)`, the count, and the total.
pub(crate) struct Progress<'a, 'py> {
    pub(crate) callback: &'a Bound<'py, PyAny>,
    pub(crate) done: &'a AtomicU64,
    pub(crate) total: u64,
}

impl Progress<'_, '_> {
    fn tell(&self) -> PyResult<()> {
        self.callback
            .call1((self.done.load(Ordering::Relaxed), self.total))
            .map(|_| ())
    }
}

/// Runs `work` to its end, or until a signal or the progress callback raises.
///
/// After an interruption nobody waits for the worker: it owns all that it uses, looks at `cancel`
/// between events, and its result is dropped with the channel. It holds no Python object.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> T + Send + 'static,
    progress: Option<&Progress<'_, '_>>,
) -> PyResult<T> {
    let cancel = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = channel();
    let of_worker = cancel.clone();
    std::thread::Builder::new()
        .name("cm-worker".to_owned())
        .spawn(move || {
            // The receiver is gone after an interruption.
            let _ = sender.send(work(&of_worker));
        })?;
    let receiver = Mutex::new(receiver);
    let wait = || {
        let receiver = receiver.lock().expect("only this thread locks it");
        receiver.recv_timeout(POLL)
    };
    let tell = || progress.map_or(Ok(()), Progress::tell);
    loop {
        match py.detach(wait) {
            Ok(value) => {
                tell()?;
                return Ok(value);
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = py.check_signals().and_then(|()| tell()) {
                    cancel.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
            // The worker panicked, which stays on this side of the border.
            Err(RecvTimeoutError::Disconnected) => {
                let text = "the simulation ended unexpectedly; this is a defect, please report it";
                return Err(PyRuntimeError::new_err(text));
            }
        }
    }
}
