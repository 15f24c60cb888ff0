import Glibc
import TensorFiles

/// A run that a signal ended, after the clip in work was finished.
package struct Interrupted: Error {
    package let signal: Int32

    package init(signal: Int32) { self.signal = signal }
}

/// The exit statuses of the contract.
enum ExitStatus {
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let badInput: Int32 = 3
    static let badModel: Int32 = 4

    /// Ends the program at once, from any thread, with words and without unfinished files.
    static func end(_ words: String, _ status: Int32) -> Never {
        let line = "vtfilter: error: \(words)\n"
        _ = line.visibleLines.withCString { write(2, $0, strlen($0)) }
        NewFile.removeUnfinished()
        _exit(status)
    }
}
