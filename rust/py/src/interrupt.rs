//! Long work with the GIL released: Ctrl-C ends it, progress is told, nothing hangs after a fork.
//!
//! The work runs on a thread of its own; the calling thread polls for signals. Signals reach only
//! Python's main thread, so a call from another thread cannot be interrupted, as everywhere else.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Time between two looks at signals: well under the 0.2 s in which Ctrl-C must end a sweep.
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
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> T + Send,
    progress: Option<&Progress<'_, '_>>,
) -> PyResult<T> {
    let cancel = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (sender, receiver) = channel();
        let cancel = &cancel;
        let worker = scope.spawn(move || {
            // The receiver may be gone after an interruption.
            let _ = sender.send(work(cancel));
        });
        let receiver = Mutex::new(receiver);
        loop {
            let received = py.detach(|| {
                receiver
                    .lock()
                    .expect("only this thread locks it")
                    .recv_timeout(POLL)
            });
            match received {
                Ok(value) => {
                    if let Some(progress) = progress {
                        progress.tell()?;
                    }
                    return Ok(value);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let told = progress.map_or(Ok(()), Progress::tell);
                    if let Err(error) = py.check_signals().and(told) {
                        cancel.store(true, Ordering::Relaxed);
                        // The worker borrows from this frame: wait for it, without the GIL.
                        py.detach(|| {
                            receiver
                                .lock()
                                .expect("only this thread locks it")
                                .recv()
                                .ok()
                        });
                        return Err(error);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    // Joined here, a panic of the worker stays on this side of the border.
                    let _ = worker.join();
                    let text =
                        "the simulation ended unexpectedly; this is a defect, please report it";
                    return Err(PyRuntimeError::new_err(text));
                }
            }
        }
    })
}
