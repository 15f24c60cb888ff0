import VidTwin
import VideoIO

/// A frame worth looking at, as pictures.
struct Moment {
    let video: String
    let frame: Int
    let score: FrameScore
    /// Input, reconstruction and their difference, as JPEG.
    let pictures: [[UInt8]]
}

/// The best and the worst moments of a set by each metric, one a clip, from several videos where
/// there are several: of eight videos one each, of fewer more of each.
struct Moments {
    /// How many are shown.
    static let shown = 4

    /// By what moments are chosen: a metric, larger being better, and which end is wanted.
    struct Order: Hashable {
        let metric: String
        let isWorst: Bool

        func value(_ score: FrameScore) -> Double? {
            let value =
                switch metric {
                case "PSNR": Optional(score.psnr)
                case "SSIM": Optional(score.ssim)
                default: score.lpips.map { -$0 }
                }
            return isWorst ? value : value.map { -$0 }
        }

        static let all = ["PSNR", "SSIM", "LPIPS"].flatMap { metric in
            [true, false].map { Order(metric: metric, isWorst: $0) }
        }
    }

    /// The candidates of the videos that can still be shown, the first one's first moment first.
    private var candidates: [Order: [[Moment]]] = [:]
    private var videos = 0

    var isEmpty: Bool { candidates.isEmpty }

    /// Takes the moments of one more video. Those of four videos are enough, whatever follows: a
    /// moment is only shown beside all better ones of its own video.
    mutating func add(_ video: VideoMoments) {
        videos += 1
        for (order, found) in video.found where !found.isEmpty {
            var lists = candidates[order] ?? []
            lists.append(found)
            lists.sort { order.precedes($0[0], $1[0]) }
            candidates[order] = Array(lists.prefix(Moments.shown))
        }
    }

    /// The moments to show.
    func moments(_ order: Order) -> [Moment] {
        let each = max(8 / max(videos, 1), 1)
        return Array(
            (candidates[order] ?? []).flatMap { $0.prefix(each) }
                .sorted(by: order.precedes).prefix(Moments.shown))
    }
}

extension Moments.Order {
    /// Whether a moment comes before another; the same whatever the order of the videos.
    func precedes(_ a: Moment, _ b: Moment) -> Bool {
        (value(a.score) ?? 0, a.video, a.frame) < (value(b.score) ?? 0, b.video, b.frame)
    }
}

/// Collects the moments of one video while its clips come.
struct VideoMoments {
    let video: String
    fileprivate private(set) var found: [Moments.Order: [Moment]] = [:]

    init(video: String) { self.video = video }

    /// Looks at a clip whose first frame is frame `start` of the video.
    mutating func look(
        _ start: Int, _ scores: [FrameScore], _ x: [MetricFrame], _ y: [MetricFrame]
    ) throws {
        var made: [Int: Moment] = [:]
        for order in Moments.Order.all {
            let values = scores.map(order.value)
            guard let at = values.indices.min(by: { (values[$0] ?? 0) < (values[$1] ?? 0) }),
                let value = values[at]
            else { continue }
            var list = found[order] ?? []
            if list.count == Moments.shown, let last = list.last.flatMap({ order.value($0.score) }),
                value >= last
            {
                continue
            }
            let moment = try made[at] ?? picture(start + at, scores[at], x[at], y[at])
            made[at] = moment
            list.append(moment)
            list.sort(by: order.precedes)
            found[order] = Array(list.prefix(Moments.shown))
        }
    }

    private func picture(
        _ frame: Int, _ score: FrameScore, _ x: MetricFrame, _ y: MetricFrame
    ) throws -> Moment {
        let difference = MetricFrame(
            height: x.height, width: x.width,
            values: zip(x.values, y.values).map { abs($0 - $1) * 2 })
        return Moment(
            video: video, frame: frame, score: score,
            pictures: try [x, y, difference].map { try JPEGEncoder.encode($0.rgb) })
    }
}

extension MetricFrame {
    /// As 8-bit samples.
    fileprivate var rgb: RGBFrame {
        RGBFrame(
            width: width, height: height, depth: .eight,
            bytes: values.map { UInt8(min(max($0 * 255, 0), 255).rounded()) }, pts: 0, duration: 0)
    }
}
