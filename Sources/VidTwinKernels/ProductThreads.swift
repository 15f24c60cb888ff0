import CDNNL
import Glibc

/// Keeps oneDNN single-threaded inside our tasks, whatever OMP_NUM_THREADS or the host says.
///
/// OpenMP's thread count belongs to the calling thread, so neither the host's other threads nor
/// its own use of OpenMP see any of this.
enum ProductThreads {
    /// The calling thread's products use that thread alone from now on.
    static func useOne() {
        let before = omp_get_max_threads()
        if before != 1 {
            pthread_setspecific(key, UnsafeRawPointer(bitPattern: Int(before)))
            omp_set_num_threads(1)
        }
    }

    /// Gives the calling thread back what it had before `useOne`.
    static func restore() {
        let before = Int(bitPattern: pthread_getspecific(key))
        if before > 1 {
            omp_set_num_threads(Int32(truncatingIfNeeded: before))
            pthread_setspecific(key, nil)
        }
    }

    /// Runs `body`, whose products use the calling thread alone, outside our tasks.
    static func alone<Result>(_ body: () throws -> Result) rethrows -> Result {
        let before = omp_get_max_threads()
        if before != 1 { omp_set_num_threads(1) }
        defer { if before != 1 { omp_set_num_threads(before) } }
        return try HeldSignals.during(body)
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()
}
