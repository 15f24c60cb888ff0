import CVidTwinKernels

/// What a task could not do, noted on its thread: tasks and ops do not throw. Whoever began the
/// computation asks when it ends, and throws its results away.
package enum TaskFailure: Int32, Sendable {
    case memory = 1
    case library = 2

    /// Notes that the calling thread's task failed; its results are left as they are.
    package static func note(_ error: any Error) {
        let failure: TaskFailure =
            if case ProductError.memory? = error as? ProductError { .memory } else { .library }
        vt_note_failure(failure.rawValue)
    }

    /// What was noted on this thread since the last call.
    package static func take() -> TaskFailure? { TaskFailure(rawValue: vt_take_failure()) }
}
