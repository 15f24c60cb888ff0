import Glibc

/// Keeps a library that OpenMP gives threads to single-threaded inside our tasks, whatever
/// OMP_NUM_THREADS or the host says.
///
/// OpenMP's thread count belongs to the calling thread, so neither the host's other threads nor
/// its own use of OpenMP see any of this.
struct OpenMPThreads: Sendable {
    /// `omp_set_num_threads` and `omp_get_max_threads` of the runtime that the library uses.
    let set: @convention(c) (CInt) -> Void
    let get: @convention(c) () -> CInt

    /// The calling thread's products use that thread alone from now on.
    func useOne() {
        let before = get()
        if before != 1 {
            pthread_setspecific(OpenMPThreads.key, UnsafeRawPointer(bitPattern: Int(before)))
            set(1)
        }
    }

    /// Gives the calling thread back what it had before `useOne`.
    func restore() {
        let before = Int(bitPattern: pthread_getspecific(OpenMPThreads.key))
        if before > 1 {
            set(CInt(truncatingIfNeeded: before))
            pthread_setspecific(OpenMPThreads.key, nil)
        }
    }

    /// Runs `body`, whose products use the calling thread alone, outside our tasks.
    func alone<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = get()
        if before != 1 { set(1) }
        defer { if before != 1 { set(before) } }
        return try HeldSignals.during(body)
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()
}
