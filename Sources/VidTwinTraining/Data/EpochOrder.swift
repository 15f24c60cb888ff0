import VidTwin
import VideoIO

/// Which clip of which video stands where in a run: a function of seed and position alone, so
/// neither threads, nor processes, nor a stop and a resume change it.
package struct EpochOrder: Sendable {
    private let random: Philox
    /// The rows that take part, in the file's numbers.
    package let rows: [Int]
    /// Clips of a batch: processes × micro-batches × clips.
    package let batchClips: Int
    /// Batches of an epoch.
    package let batches: Int

    /// The order over `count` rows of which `share` (0…1) take part; an epoch has at most `limit`
    /// batches.
    package init(
        count: Int, share: Double = 1, batchClips: Int, limit: Int? = nil, seed: UInt64
    ) {
        random = Philox(seed: seed)
        self.batchClips = batchClips
        if share < 1 {
            let wanted = max(Int(share * Double(count)), 1)
            let random = random
            let words = (0..<count).map {
                random.word(site: Philox.Site.share, clip: UInt32($0), batch: 0)
            }
            rows = (0..<count).sorted { (words[$0], $0) < (words[$1], $1) }.prefix(wanted)
                .sorted()
        } else {
            rows = Array(0..<count)
        }
        let full = max(1, rows.count / batchClips)
        batches = limit.map { max(1, min($0, full)) } ?? full
    }

    /// The rows of an epoch in their order.
    package func order(epoch: Int) -> [Int] {
        let e = UInt32(truncatingIfNeeded: epoch)
        let words = rows.map {
            random.word(site: Philox.Site.order, clip: UInt32($0), batch: e)
        }
        return rows.indices.sorted { (words[$0], rows[$0]) < (words[$1], rows[$1]) }
            .map { rows[$0] }
    }

    /// Where in 0…1 of its room the window of a row begins.
    package func start(row: Int, epoch: Int) -> Double {
        let e = UInt32(truncatingIfNeeded: epoch)
        return Double(random.word(site: Philox.Site.start, clip: UInt32(row), batch: e)) * 0x1p-32
    }

    /// How the pictures of a row are looked at.
    package func view(row: Int, epoch: Int, _ augmentations: Augmentations) -> ClipView {
        let e = UInt32(truncatingIfNeeded: epoch)
        func part(_ index: Int) -> Double {
            Double(random.word(index, site: Philox.Site.view, clip: UInt32(row), batch: e))
                * 0x1p-32
        }
        return ClipView(
            isMirrored: augmentations.contains(.flip) && part(0) < 0.5,
            crop: augmentations.contains(.crop) ? CropPlace(x: part(1), y: part(2)) : nil)
    }

    /// The epoch of a batch, and its number there.
    package func place(batch: Int) -> (epoch: Int, number: Int) {
        (batch / batches, batch % batches)
    }
}
