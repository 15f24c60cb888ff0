/// Keeps products single-threaded inside our tasks, whatever the host says.
enum ProductThreads {
    /// The calling thread's products use that thread alone from now on.
    static func useOne() { Products.library.useOneThread() }

    /// Gives the calling thread back what it had before `useOne`.
    static func restore() { Products.library.restoreThreads() }
}
