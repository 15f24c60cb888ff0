import FoundationEssentials
import VidTwin
import VideoIO

extension EvaluationDocument {
    /// Puts the parts of one evaluation together: what one process would have written.
    ///
    /// - Throws: `VideoIOError.badInput` where a file is none of them, the parts differ, or one is
    ///   missing.
    static func merged(_ paths: [String]) throws -> EvaluationDocument {
        var result: EvaluationDocument?
        var places: [String: String] = [:]
        var shards: [String?: String] = [:]
        for path in paths {
            let part = try read(path)
            func bad(_ problem: String) -> VideoIOError { .badInput(url: path, problem: problem) }
            func differs(_ what: String) -> VideoIOError {
                bad("expected the \(what) of \(paths[0]), found another")
            }
            if let first = result {
                if part.version != first.version || part.libav != first.libav {
                    throw differs("version")
                }
                if part.options != first.options { throw differs("options") }
                if part.model != first.model { throw differs("model") }
                if part.lpips != first.lpips { throw differs("LPIPS weights") }
            }
            for name in part.videos.map(\.name) + part.failures.map(\.name) {
                if let other = places.updateValue(path, forKey: name) {
                    throw bad("\(name) is in \(other) too")
                }
            }
            if let shard = part.shard, let other = shards[shard] {
                throw bad("shard \(shard) is \(other) too")
            }
            shards[part.shard] = path
            if result == nil {
                result = part
            } else {
                result?.videos += part.videos
                result?.failures += part.failures
                result?.notes += part.notes
            }
        }
        guard var document = result else { throw UsageError("--merge: no files") }
        try checkComplete(shards)
        document.shard = nil
        document.finish()
        return document
    }

    /// All shards of one division, or none of any.
    private static func checkComplete(_ shards: [String?: String]) throws {
        let given = shards.compactMap { shard, path in shard.map { ($0, path) } }
        guard let (one, path) = given.min(by: { $0.0 < $1.0 }) else { return }
        let count = Shard(option: one)?.count ?? 0
        for index in 1...max(count, 1) where shards["\(index)/\(count)"] == nil {
            throw VideoIOError.badInput(
                url: path, problem: "shard \(one): expected shard \(index)/\(count) too, found none"
            )
        }
        if shards.count != count {
            throw VideoIOError.badInput(
                url: path, problem: "shard \(one): expected shards of \(count), found others")
        }
    }

    private static func read(_ path: String) throws -> EvaluationDocument {
        func bad(_ found: String) -> VideoIOError {
            .badInput(
                url: path, problem: "expected the JSON of vtfilter evaluate, found \(found)")
        }
        let document: EvaluationDocument
        do {
            document = try JSONDecoder().decode(
                EvaluationDocument.self, from: Data(try InputFile.read(path, limit: 1 << 30)))
        } catch let error as VideoIOError {
            throw error
        } catch DecodingError.keyNotFound(let key, _) {
            throw bad("no \(key.stringValue)")
        } catch {
            throw bad("something else")
        }
        guard document.format == kind else { throw bad("the format \(document.format)") }
        if let problem = document.contradiction { throw bad(problem) }
        return document
    }

    /// What a file written by hand may say and an evaluation cannot.
    private var contradiction: String? {
        if let shard, Shard(option: shard) == nil { return "the shard \(shard)" }
        if let model, !(model.compressionRate > 0 && model.compressionRate < 1e6) {
            return "a compression rate of \(model.compressionRate)"
        }
        for video in videos {
            var rest = video.frames.count
            for clip in video.clips {
                guard clip > 0, clip <= rest else { rest = -1; break }
                rest -= clip
            }
            if video.frames.isEmpty || rest != 0 {
                return "\(video.name) with clips that are not its \(video.frames.count) frames"
            }
            for (index, frame) in video.frames.enumerated() {
                let fits =
                    (-1...81).contains(frame.psnr) && (-1.01...1.01).contains(frame.ssim)
                    && (0...1e6).contains(frame.lpips ?? 0)
                if !fits || (frame.lpips == nil) != lpips.isEmpty {
                    return "impossible values of \(video.name), frame \(index)"
                }
            }
        }
        return nil
    }
}
