package import VidTwin
import VideoIO

/// The videos of a validation: one clip of each, always the same.
package struct ValidationData {
    package let list: VideoList
    package let options: DataOptions
    /// Clips that are computed at once.
    package let batchClips: Int
    private let rows: [Int]

    /// A validation set; at most `limit` batches of it.
    package init(
        _ list: VideoList, _ options: DataOptions, batchClips: Int, limit: Int? = nil, seed: UInt64
    ) {
        (self.list, self.options, self.batchClips) = (list, options, batchClips)
        let order = EpochOrder(
            count: list.entries.count, share: options.share, batchClips: batchClips, seed: seed)
        rows = Array(order.rows.prefix(limit.map { $0 * batchClips } ?? .max))
    }

    /// Number of videos.
    package var count: Int { rows.count }

    /// Calls `body` with batches of clips `[B, T, H, W, 3]` and their names, the last one perhaps smaller,
    /// at most `batches` of them; what cannot be read is left out and told to `unreadable`.
    ///
    /// - Throws: `TrainingError.data` where nothing could be read, or none may be left out; what
    ///   `body` throws.
    package func each(
        batches: Int? = nil, on device: Device, unreadable say: (String, String) throws -> Void,
        _ body: (_ clips: Tensor, _ names: [String]) throws -> Bool
    ) throws {
        let rows = Array(self.rows.prefix(batches.map { $0 * batchClips } ?? .max))
        let start = ClipStart.frame(options.startFrame ?? 0)
        let loader = try ClipLoader(
            list.entries, ClipDecoder(options.format), places: 0..<rows.count,
            workers: min(options.workers, 4), capacity: 2 * batchClips
        ) { place, attempt in attempt == 0 ? (rows[place], start, ClipView()) : nil }
        defer { loader.close() }
        var (waiting, names, read): ([[UInt8]], [String], Int) = ([], [], 0)
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
                read += 1
            }
            if waiting.count == batchClips, try !compute() { return }
        }
        if try !compute() { return }
        // Of a few batches none may be readable; of all of them one must.
        if read == 0, rows.count == self.rows.count {
            throw TrainingError.data("\(list.place): no video of the validation could be read")
        }
    }
}
