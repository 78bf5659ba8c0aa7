//! What a session refuses.

/// What a session refuses; it is unchanged then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A time before the session's own.
    #[error("t_ps must be at least {now_ps}, the time of the session, got {time_ps}")]
    Past {
        /// The time asked for.
        time_ps: u64,
        /// The session's time.
        now_ps: u64,
    },
    /// Something that was never injected, has been reported, or was cancelled.
    #[error("id {id} is not under way; it was never injected, has been reported or cancelled")]
    UnknownId {
        /// Its number.
        id: u64,
    },
}
