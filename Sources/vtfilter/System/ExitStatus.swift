/// A run that a signal ended, after the clip in work was finished.
struct Interrupted: Error {
    let signal: Int32
}

/// The exit statuses of the contract.
enum ExitStatus {
    static let failure: Int32 = 1
    static let usage: Int32 = 2
    static let badInput: Int32 = 3
    static let badModel: Int32 = 4
}
