import VidTwin
import VideoIO

/// Clips of a training set that a constructed start looks at: one window a video, spread over the set,
/// the same at each run of a seed.
enum StartingClips {
    /// Up to `count` clips `[1, T, H, W, 3]` in −1…1; what cannot be read is left out.
    ///
    /// - Throws: `TrainingError.data` where none can be read.
    static func read(
        _ list: VideoList, _ options: DataOptions, count: Int, seed: UInt64, on device: Device
    ) throws -> [Tensor] {
        let order = EpochOrder(
            count: list.entries.count, share: options.share, batchClips: 1, seed: seed)
        let rows = order.order(epoch: 0)
        let loader = try ClipLoader(
            list.entries, ClipDecoder(options.format), places: 0..<count,
            workers: min(options.workers, 4), capacity: 8
        ) { place, attempt in
            // A set of fewer videos gives more windows of each.
            let (row, epoch) = (rows[place % rows.count], place / rows.count)
            if attempt > 0 { return nil }
            return (row, .part(order.start(row: row, epoch: epoch)), ClipView())
        }
        defer { loader.close() }
        let f = options.format
        var clips: [Tensor] = []
        while let (loaded, _) = loader.next() {
            guard let clip = loaded.clip else { continue }
            let tensor = Tensor([1, f.frames, f.height, f.width, 3], on: device)
            unitPixels(clip.bytes, into: tensor, at: 0)
            clips.append(tensor)
        }
        if clips.isEmpty {
            throw TrainingError.data("\(list.place): no video could be read to start from")
        }
        return clips
    }
}
