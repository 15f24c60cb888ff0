import ForkSafety

/// The end of a process that finds no memory in the middle of what nobody can throw out of.
///
/// Inference claims its memory before it computes and never comes here; training estimates it, and may.
package enum Exhaustion {
    private static let program = Guarded<(@Sendable (String) -> Never)?>.ofProcess(nil)

    /// Has `end` called, on any thread, with a sentence in place of a trap: what a program says and puts in
    /// order before it exits. A library leaves it to its host.
    package static func handle(_ end: @escaping @Sendable (String) -> Never) {
        program.withLock { $0 = end }
    }

    /// Ends the process.
    package static func end(_ words: String) -> Never {
        if let end = program.withLock({ $0 }) { end(words) }
        fatalError(words)
    }
}
