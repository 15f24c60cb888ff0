import FoundationEssentials
import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport

/// One case of metrics.json.
private struct MetricsCase: Decodable, Sendable, CustomStringConvertible {
    let T, H, W, seed: Int
    let psnr, ssim: [Double]
    let lpips: [Double]?
    var description: String { "\(T)x\(H)x\(W)" }

    /// Frames of the golden data's formula, 0…1.
    func frames(_ seed: Int) -> [[Double]] {
        let bytes = Golden.pattern(T, H, W, seed)
        let frame = H * W * 3
        return (0..<T).map { t in bytes[t * frame..<(t + 1) * frame].map { Double($0) / 255 } }
    }

    var pairs: [(MetricFrame, MetricFrame)] {
        zip(frames(seed), frames(seed + 7)).map { x, other in
            let y = zip(x, other).map { Float(0.8 * $0 + 0.2 * $1) }
            return (
                MetricFrame(height: H, width: W, values: x.map { Float($0) }),
                MetricFrame(height: H, width: W, values: y)
            )
        }
    }
}

private struct MetricsFile: Decodable {
    let cases: [MetricsCase]
}

private let cases: [MetricsCase] = {
    let bytes = Fixtures.bytes("\(Fixtures.folder)/goldens/metrics.json")
    return (try? JSONDecoder().decode(MetricsFile.self, from: Data(bytes)))?.cases ?? []
}()

@Suite struct `Metrics` {
    @Test func `the golden values are there`() { #expect(cases.count == 4) }

    @Test(arguments: cases)
    fileprivate func `PSNR and SSIM are the oracle's to 1e-6`(_ golden: MetricsCase) throws {
        for (i, (x, y)) in golden.pairs.enumerated() {
            #expect(abs(try psnr(x, y) - golden.psnr[i]) <= 1e-6)
            #expect(abs(try ssim(x, y) - golden.ssim[i]) <= 1e-6)
        }
    }

    @Test(arguments: cases.filter { $0.lpips != nil })
    fileprivate func `LPIPS is the oracle's to 1e-5`(_ golden: MetricsCase) throws {
        let lpips = try LPIPS(MadeUpVGG(), sources: [], device: Device())
        for (i, (x, y)) in golden.pairs.enumerated() {
            let (found, expected) = (try lpips(x, y), try #require(golden.lpips?[i]))
            #expect(abs(found - expected) <= 1e-5 * expected, "\(found), expected \(expected)")
            #expect(try lpips(x, x) == 0)
            #expect(abs(try lpips(y, x) - found) <= 1e-6 * found)
        }
    }

    @Test func `equal frames, symmetry, limits`() throws {
        let (x, y) = try #require(cases.first?.pairs.first)
        #expect(abs(try ssim(x, x) - 1) < 1e-12)
        #expect(try psnr(x, x) == 80)
        #expect(try ssim(x, y) == ssim(y, x))
        #expect(try psnr(x, y) == psnr(y, x))
        let small = MetricFrame(height: 10, width: 40, values: [Float](repeating: 0, count: 1200))
        let error = #expect(throws: MetricError.self) { try ssim(small, small) }
        #expect("\(error.map { "\($0)" } ?? "")".contains("11x11"))
        #expect(throws: MetricError.self) { try psnr(x, small) }
        let eleven = MetricFrame(height: 11, width: 11, values: [Float](repeating: 0.5, count: 363))
        #expect(abs(try ssim(eleven, eleven) - 1) < 1e-12)
    }

    @Test func `Reference: pooled over videos, clips and frames, each by itself`() {
        func score(_ psnr: Double) -> FrameScore {
            FrameScore(psnr: psnr, ssim: psnr / 100, lpips: nil)
        }
        let pooled = PooledScore([
            VideoScore(name: "a", clips: [2, 1], frames: [10, 20, 60].map(score)),
            VideoScore(name: "b", clips: [1], frames: [score(40)]),
        ])
        #expect(pooled.overVideos?.psnr == 35)  // (30 + 40) / 2
        #expect(abs((pooled.overClips?.psnr ?? 0) - 115 / 3) < 1e-9)  // (15 + 60 + 40) / 3
        #expect(pooled.overFrames?.psnr == 32.5)
        #expect(abs((pooled.overFrames?.ssim ?? 0) - 0.325) < 1e-12)
        #expect(pooled.overVideos?.lpips == nil)
        #expect(PooledScore([]).overVideos == nil)
    }

    @Test func `frames that are too small are refused in the metric's own name`() throws {
        func frame(_ side: Int) -> MetricFrame {
            MetricFrame(
                height: side, width: 40, values: [Float](repeating: 0.5, count: side * 40 * 3))
        }
        let lpips = try LPIPS(MadeUpVGG(), sources: [], device: Device(threads: 1))
        let small = frame(15)
        #expect(try ssim(small, small) > 0.99)
        let error = #expect(throws: MetricError.self) { try lpips(small, small) }
        #expect(
            "\(error.map { "\($0)" } ?? "")"
                == "LPIPS: expected frames of at least 16x16, found 40x15")
        let smaller = #expect(throws: MetricError.self) { try ssim(frame(10), frame(10)) }
        #expect(
            "\(smaller.map { "\($0)" } ?? "")".hasPrefix("SSIM: expected frames of at least 11x11"))
    }

    @Test func `LPIPS weights of several makers are found, and missing ones are named`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let device = Device(threads: 2)
        let frames = try #require(cases.first?.pairs.first)
        let expected = try LPIPS(MadeUpVGG(), sources: [], device: device)(frames.0, frames.1)
        func write(_ name: String, _ part: MadeUpVGG.Part, _ maker: MadeUpVGG.Maker) throws
            -> String
        {
            try MadeUpVGG().write(to: "\(folder)/\(name)", part, maker)
            return "\(folder)/\(name)"
        }
        let trunk = try write("vgg16.safetensors", .trunk, .torchvision)
        let linear = try write("vgg.safetensors", .linear, .package)
        let whole = try write("whole.safetensors", .all, .reference)
        for paths in [[trunk, linear], [linear, trunk], [whole]] {
            let lpips = try LPIPS(paths: paths, device: device)
            #expect(try lpips(frames.0, frames.1) == expected)
            #expect(lpips.sources.map(\.path) == paths && lpips.sources[0].sha256.count == 64)
        }
        for (paths, words) in [([linear], "VGG-16 trunk"), ([trunk], "linear weights")] {
            let error = #expect(throws: MetricError.self) {
                try LPIPS(paths: paths, device: device)
            }
            #expect("\(error.map { "\($0)" } ?? "")".contains(words))
        }
    }

    @Test func `SHA-256 of a file`() throws {
        let folder = Fixtures.temporaryFolder()
        Fixtures.write(Array("abc".utf8), to: "\(folder)/abc")
        #expect(
            try FileDigest.sha256(path: "\(folder)/abc")
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(throws: CheckpointError.self) { try FileDigest.sha256(path: "\(folder)/none") }
    }
}
