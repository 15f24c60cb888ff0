import Synchronization

/// What reading the description of a checkpoint may take: a small file can ask for anything, so
/// everything that is made is counted, also what is let go again, which bounds the time too.
final class ReadingBudget: Sendable {
    private let path: String
    private let limit: Int
    private let spent = Atomic(0)

    /// Far more than any file of PyTorch's takes, and what a file of this size may unpack to.
    init(_ file: MappedFile) {
        path = file.path
        limit = ReadingBudget.base + ReadingBudget.perByte * file.bytes.count
    }

    private static let base = 256 << 20
    private static let perByte = 16

    /// Counts bytes that are about to be made.
    ///
    /// - Throws: `CheckpointError.malformed` where they are too many.
    func spend(_ bytes: Int, _ place: @autoclosure () -> String) throws(CheckpointError) {
        let (sum, overflow) = spent.load(ordering: .relaxed).addingReportingOverflow(bytes)
        if overflow || sum > limit {
            throw .malformed(
                path: path, place: place(),
                expected: "what takes at most \(limit >> 20) MB to read", found: "more")
        }
        spent.store(sum, ordering: .relaxed)
    }
}
