import ForkSafety
package import VidTwin
import VideoIO

/// How a set of videos is read.
package struct DataOptions: Sendable, Equatable {
    package var format: ClipFormat
    /// The part of the rows that takes part, 0…1.
    package var share = 1.0
    /// A frame where all windows begin; at random where nil.
    package var startFrame: Int?
    /// Whether another video takes the place of one that cannot be read.
    package var skipsUnreadable = true
    /// The part of the rows that may be unreadable in an epoch; one may in any case, but with 0.
    package var maximumBad = 0.01
    package var augmentations: Augmentations = []
    /// Videos of fewer frames are passed over.
    package var minimumFrames = 0
    package var workers = 4
    /// Batches that are read ahead.
    package var prefetch = 2

    package init(format: ClipFormat) { self.format = format }

    /// How many of `rows` videos may be unreadable in an epoch.
    package func mostUnreadable(of rows: Int) -> Int {
        maximumBad > 0 ? max(Int(maximumBad * Double(rows)), 1) : 0
    }
}

/// The clips of a run, batch after batch, and what was wrong with the videos.
package final class TrainingData {
    /// What one process met, for all to know.
    private enum News {
        case unreadable(row: Int, problem: String)
        case passedOver(row: Int)
        case short(name: String)
    }
    package let list: VideoList
    package let order: EpochOrder
    package let options: DataOptions
    private let loader: ClipLoader
    private let share: BatchShare
    /// Clips that were taken, by this process, since the run's beginning.
    private var index: Int
    private var news: [News] = []
    private var badRows: Set<Int> = []
    private var badEpoch = -1
    private var named: Set<Int> = []
    private var short: Set<String> = []
    private var passedOver: Set<Int> = []
    /// Told a sentence when something is wrong with a video.
    private let say: (String) -> Void
    /// Told each video that is not used, and why.
    private let refuse: (_ video: String, _ problem: String) throws -> Void
    /// Seconds that training waited for clips since `takeWaited`.
    private var waited = 0.0

    /// The clips from batch `first` on, until batch `end`.
    ///
    /// - Throws: `TrainingError.data` where too many are missing.
    package init(
        _ list: VideoList, _ order: EpochOrder, _ options: DataOptions, clipsAhead: Int,
        share: BatchShare? = nil, from first: Int, until end: Int,
        say: @escaping (String) -> Void,
        refuse: @escaping (_ video: String, _ problem: String) throws -> Void = { _, _ in }
    ) throws {
        let share = share ?? BatchShare(clips: order.batchClips)
        (self.list, self.order, self.options, self.say) = (list, order, options, say)
        self.refuse = refuse
        let own = order.batchClips / share.processes
        (self.share, index) = (share, first * own)
        let missing = order.rows.filter { list.entries[$0].problem != nil }
        if let row = missing.first {
            let entry = list.entries[row]
            if !options.skipsUnreadable {
                throw TrainingError.data("\(list.place): \(entry.name): \(entry.problem ?? "")")
            }
            try TrainingData.check(
                missing.count, order, options, "\(entry.name): \(entry.problem ?? "")", list)
            for row in missing {
                try refuse(list.entries[row].name, list.entries[row].problem ?? "")
            }
            named.insert(row)
            say(
                "\(missing.count) of \(order.rows.count) videos are missing or unreadable, the first "
                    + "\(entry.name): \(entry.problem ?? "")")
        }
        let (epochs, rows) = (EpochOrders(order), order.rows.count)
        let most = options.mostUnreadable(of: rows) + 1
        let (startFrame, augmentations) = (options.startFrame, options.augmentations)
        loader = try ClipLoader(
            list.entries, ClipDecoder(options.format),
            places: index..<max(end * own, index), workers: options.workers,
            capacity: clipsAhead, minimumFrames: options.minimumFrames
        ) { index, attempt in
            // Short ones are passed over without a limit but the number of rows.
            if attempt >= rows || attempt > most && options.minimumFrames == 0 { return nil }
            let place = share.place(index, batchClips: order.batchClips)
            let (epoch, number) = order.place(batch: place / order.batchClips)
            let ordered = epochs[epoch]
            let clip = place % order.batchClips
            let row = ordered[(number * order.batchClips + clip + attempt) % rows]
            return (
                row,
                startFrame.map { .frame($0) } ?? .part(order.start(row: row, epoch: epoch)),
                order.view(row: row, epoch: epoch, augmentations)
            )
        }
    }

    /// Clips `[B, T, H, W, 3]` in −1…1, the next of the order, and their names.
    ///
    /// - Throws: `TrainingError.data` where one cannot be read and none may take its place.
    package func next(_ count: Int, on device: Device) throws -> (clips: Tensor, names: [String]) {
        let f = options.format
        let clips = Tensor([count, f.frames, f.height, f.width, 3], on: device)
        var names: [String] = []
        for clipIndex in 0..<count {
            guard let (loaded, seconds) = loader.next() else {
                throw TrainingError.failure("reading videos ended")
            }
            waited += seconds
            try account(loaded)
            guard let clip = loaded.clip, let name = loaded.name else {
                throw TrainingError.data(
                    "\(list.place): no video could be read in place of "
                        + "\(share.place(index, batchClips: order.batchClips)); "
                        + (loaded.unreadable.last?.problem ?? "all are too short"))
            }
            if clip.isShort { try meet(.short(name: name)) }
            names.append(name)
            unitPixels(clip.bytes, into: clips, at: clipIndex * f.byteCount)
            index += 1
        }
        return (clips, names)
    }

    /// Seconds waited for clips since the last call.
    package func takeWaited() -> Double {
        defer { waited = 0 }
        return waited
    }

    /// Ends reading.
    package func close() { loader.close() }

    private func account(_ clip: LoadedClip) throws {
        let batch = index / max(order.batchClips / share.processes, 1)
        let epoch = order.place(batch: batch).epoch
        if epoch != badEpoch { (badEpoch, badRows) = (epoch, []) }
        for (row, problem) in clip.unreadable {
            if !options.skipsUnreadable { throw TrainingError.data(problem) }
            try meet(.unreadable(row: row, problem: problem))
        }
        for row in clip.tooShort { try meet(.passedOver(row: row)) }
    }

    /// Where there are several processes, all hear of it after the batch.
    private func meet(_ found: News) throws {
        if share.processes == 1 { try hear(found) } else { news.append(found) }
    }

    private func hear(_ found: News) throws {
        switch found {
        case .passedOver(let row):
            guard passedOver.insert(row).inserted else { return }
            try refuse(list.entries[row].name, "fewer than \(options.minimumFrames) frames")
        case .unreadable(let row, let problem):
            badRows.insert(row)
            try refuse(list.entries[row].name, problem)
            // One too many ends the run, which names it.
            try TrainingData.check(badRows.count, order, options, problem, list)
            guard named.insert(row).inserted else { return }
            let name = list.entries[row].name
            say((problem.contains(name) ? problem : "\(name): \(problem)") + "; passed over")
        case .short(let name):
            guard short.insert(name).inserted, short.count <= 5 else { return }
            say(
                "\(name) is shorter than a clip: its last frame is repeated"
                    + (short.count == 5 ? "; others are not named" : ""))
        }
    }

    /// Tells other processes what this one met in a batch, and hears what they met.
    ///
    /// - Throws: `TrainingError.data` in all where too many videos cannot be read.
    func share(_ processes: Processes) throws {
        let counts = processes.gather([Double(news.count)])
        if counts.allSatisfy({ $0[0] == 0 }) { return }
        let own = news.map { found in
            switch found {
            case .unreadable(let row, let problem): "\(row) \(problem)"
            case .passedOver(let row): "+ \(row)"
            case .short(let name): "- \(name)"
            }
        }.joined(separator: "\0")
        news = []
        for bytes in try processes.exchange(Array(own.utf8)) {
            for text in String(decoding: bytes, as: UTF8.self).split(separator: "\0") {
                let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
                guard parts.count == 2 else { continue }
                do {
                    if let row = Int(parts[0]) {
                        try hear(.unreadable(row: row, problem: parts[1]))
                    } else if parts[0] == "-" {
                        try hear(.short(name: parts[1]))
                    } else if let row = Int(parts[1]) {
                        try hear(.passedOver(row: row))
                    }
                } catch {
                    processes.failTogether()
                    throw error
                }
            }
        }
    }

    private static func check(
        _ bad: Int, _ order: EpochOrder, _ options: DataOptions, _ problem: String,
        _ list: VideoList
    ) throws {
        let (rows, most) = (order.rows.count, options.mostUnreadable(of: order.rows.count))
        if bad <= most { return }
        throw TrainingError.data(
            "\(list.place): expected at most \(most) of \(rows) videos unreadable in an epoch "
                + "(--max-bad \(options.maximumBad)), found \(bad), the last: \(problem)")
    }
}

/// The orders of epochs, made when they are asked for; two are kept.
private final class EpochOrders: Sendable {
    private let order: EpochOrder
    private let kept = Guarded<[(epoch: Int, rows: [Int])]>([])

    init(_ order: EpochOrder) { self.order = order }

    subscript(epoch: Int) -> [Int] {
        kept.withLock { kept in
            if let found = kept.first(where: { $0.epoch == epoch }) { return found.rows }
            let rows = order.order(epoch: epoch)
            kept = kept.suffix(1) + [(epoch, rows)]
            return rows
        }
    }
}

/// Pixels 0…255 as `v / 127.5 − 1` in float32.
func unitPixels(_ bytes: [UInt8], into clips: Tensor, at start: Int) {
    let table = (0..<256).map { Float($0) / 127.5 - 1 }
    clips.withPointer { pointer in
        for (i, byte) in bytes.enumerated() { pointer[start + i] = table[Int(byte)] }
    }
}
