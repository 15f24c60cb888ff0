import FoundationEssentials
import TensorFiles
import VidTwin
import VideoIO

/// What an evaluation found: the JSON file, which can be merged with others of its kind.
struct EvaluationDocument: Codable, Equatable {
    /// How frames were chosen and reconstructed.
    struct Options: Codable, Equatable {
        /// What videos were compared with, nil with a model.
        var reference: String?
        /// Frames a second that were taken, nil for all.
        var sampleFPS: String?
        /// How frames were brought to the model's size, nil without a model.
        var fit: String?
        /// Frames of each video at most.
        var frames: Int?
        /// `mean`, or `sample, seed N`.
        var latents: String?
    }

    /// Which model was evaluated.
    struct Model: Codable, Equatable {
        var config: String
        var configSHA256: String
        var checkpoint: String
        var checkpointSHA256: String
        /// In which precision it computed: f32, bf16 or int8.
        var precision: String
        var weights: Int
        var latentNumbersPerClip: Int
        /// Numbers in the latents by numbers in the pixels.
        var compressionRate: Double
    }

    /// Weights of LPIPS.
    struct LPIPSFile: Codable, Equatable {
        var path: String
        var sha256: String
    }

    /// A video that could not be evaluated.
    struct Failure: Codable, Equatable {
        var name: String
        var error: String

        /// In one line, the name once.
        var line: String { error.hasPrefix(name) ? error : "\(name): \(error)" }
    }

    static let kind = "vidtwin-evaluation-1"

    var format = EvaluationDocument.kind
    var version = VTFilter.version
    /// Version of the libraries that decode and scale.
    var libav = LibavMessages.version
    /// Which part of the set this is, nil for all of it.
    var shard: String?
    var options: Options
    var model: Model?
    var lpips: [LPIPSFile]
    var videos: [VideoScore]
    var failures: [Failure]
    var notes: [String]
    var pooled: PooledScore

    init(options: Options, model: Model?, lpips: [LPIPSFile]) {
        (self.options, self.model, self.lpips) = (options, model, lpips)
        (videos, failures, notes) = ([], [], [])
        pooled = PooledScore([])
    }

    /// Sorts by name and pools: the same whatever the order of the videos was.
    mutating func finish() {
        videos.sort { $0.name < $1.name }
        failures.sort { ($0.name, $0.error) < ($1.name, $1.error) }
        pooled = PooledScore(videos)
    }

    /// The document as JSON.
    func json() throws -> [UInt8] {
        Array(try JSONText.pretty(self).utf8) + [10]
    }

    /// One line a frame.
    var csv: [UInt8] {
        var text = "video,frame,psnr,ssim,lpips\n"
        for video in videos {
            let name = CSVText.cell(video.name)
            for (index, score) in video.frames.enumerated() {
                text += "\(name),\(index),\(score.psnr),\(score.ssim),"
                text += (score.lpips.map { "\($0)" } ?? "") + "\n"
            }
        }
        return Array(text.utf8)
    }

    /// The table for people.
    var table: String {
        let width = min(max(videos.map(\.name.visible.count).max() ?? 0, 24), 60)
        func row(_ name: String, _ frames: String, _ score: FrameScore?) -> String {
            func padded(_ text: String, _ width: Int) -> String {
                String(repeating: " ", count: max(width - text.count, 0)) + text
            }
            let title = name.count > width ? "…" + name.suffix(width - 1) : name
            return title + String(repeating: " ", count: width - title.count) + padded(frames, 8)
                + padded(score.map { Clock.decimal($0.psnr, digits: 3) } ?? "-", 10)
                + padded(score.map { Clock.decimal($0.ssim, digits: 4) } ?? "-", 9)
                + padded(score?.lpips.map { Clock.decimal($0, digits: 4) } ?? "-", 9)
        }
        var lines = [
            "video" + String(repeating: " ", count: width - 5)
                + "  frames   PSNR dB     SSIM    LPIPS"
        ]
        lines += videos.map { row($0.name.visible, "\($0.frames.count)", $0.mean) }
        let total = videos.reduce(0) { $0 + $1.frames.count }
        lines.append(row("mean over videos", "\(total)", pooled.overVideos))
        lines.append(row("mean over clips", "\(total)", pooled.overClips))
        lines.append(row("mean over frames", "\(total)", pooled.overFrames))
        if let model {
            lines.append(
                "compression: \(model.latentNumbersPerClip) numbers a clip, "
                    + "\(Clock.decimal(100 * model.compressionRate, digits: 3)) % of its pixels")
        }
        if lpips.isEmpty { lines.append("LPIPS is left out: no weights were given (--lpips)") }
        lines += notes.map(\.visible)
        lines += failures.map { "failed: \($0.line.visible)" }
        return lines.joined(separator: "\n")
    }
}
