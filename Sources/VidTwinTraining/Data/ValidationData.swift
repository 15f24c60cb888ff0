package import VidTwin
import VideoIO

/// The videos of a validation: one clip of each, always the same.
package struct ValidationData {
    package let list: VideoList
    package let options: DataOptions
    /// Clips that are computed at once, by a process.
    package let batchClips: Int
    private let share: BatchShare
    private let rows: [Int]

    /// A validation set; at most `limit` batches of it in each of several processes.
    package init(
        _ list: VideoList, _ options: DataOptions, batchClips: Int, limit: Int? = nil, seed: UInt64,
        share: BatchShare? = nil
    ) {
        (self.list, self.options, self.batchClips) = (list, options, batchClips)
        let share = share ?? BatchShare(clips: batchClips)
        self.share = share
        let order = EpochOrder(
            count: list.entries.count, share: options.share, batchClips: batchClips, seed: seed)
        let clips = batchClips * share.processes
        rows = Array(order.rows.prefix(limit.map { $0 * clips } ?? .max))
    }

    /// Number of videos.
    package var count: Int { rows.count }

    /// Whether so many batches are the whole set.
    func isWhole(_ batches: Int?) -> Bool {
        batches.map { $0 >= (count + most - 1) / most } ?? true
    }

    /// Clips of a batch, of all processes.
    private var most: Int { batchClips * share.processes }

    /// Calls `body` with batches of clips `[B, T, H, W, 3]` and their names, the last one perhaps smaller,
    /// at most `batches` of them, of this process's part; what cannot be read is left out and told to
    /// `unreadable`. It ends where `body` says false.
    ///
    /// - Throws: `TrainingError.data` where none may be left out; what `body` throws.
    package func each(
        batches: Int? = nil, on device: Device, unreadable say: (String, String) throws -> Void,
        _ body: (_ clips: Tensor, _ names: [String]) throws -> Bool
    ) throws {
        let all = self.rows.prefix(batches.map { $0 * most } ?? .max)
        let rows = all.indices.filter { $0 / batchClips % share.processes == share.rank }
            .map { all[$0] }
        let start = ClipStart.frame(options.startFrame ?? 0)
        let loader = try ClipLoader(
            list.entries, ClipDecoder(options.format), places: 0..<rows.count,
            workers: min(options.workers, 4), capacity: 2 * batchClips
        ) { place, attempt in attempt == 0 ? (rows[place], start, ClipView()) : nil }
        defer { loader.close() }
        var (waiting, names): ([[UInt8]], [String]) = ([], [])
        let f = options.format
        func compute() throws -> Bool {
            if waiting.isEmpty { return true }
            let clips = Tensor([waiting.count, f.frames, f.height, f.width, 3], on: device)
            for (index, bytes) in waiting.enumerated() {
                unitPixels(bytes, into: clips, at: index * f.byteCount)
            }
            defer { (waiting, names) = ([], []) }
            return try body(clips, names)
        }
        while let (loaded, _) = loader.next() {
            for (row, problem) in loaded.unreadable {
                if !options.skipsUnreadable { throw TrainingError.data(problem) }
                try say(list.entries[row].name, problem)
            }
            if let clip = loaded.clip {
                waiting.append(clip.bytes)
                names.append(loaded.name ?? "")
            }
            if waiting.count == batchClips, try !compute() { return }
        }
        _ = try compute()
    }
}
