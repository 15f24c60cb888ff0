import Testing
import VidTwin
import VidTwinTestSupport

/// What is true at every CPU level: `make cpu-levels` runs this suite, among others, once at each.
@Suite struct `vtfilter computes at any CPU level` {
    /// The golden clip's pixels through a pipe, and what was said.
    private func reconstructed(
        _ precision: String, kind: String = "safetensors"
    ) throws -> (pixels: [UInt8], errors: String) {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        Fixtures.write(try Golden("tiny").frames().bytes, to: "\(folder)/in.rgb")
        let result = Shell.run(
            """
            vtfilter reconstruct -v --config $GOLDENS/tiny/config.yaml \
              --ckpt $GOLDENS/tiny/model.\(kind) --precision \(precision) \
              -f rawvideo -s 64x64 --pix-fmt rgb24 -r 25 < in.rgb
            """, in: folder)
        #expect(result.status == 0, "\(result.errors)")
        return (result.output, result.errors)
    }

    @Test(arguments: ["safetensors", "ckpt"])
    func `the golden clip gives the golden pixels through the pipe`(_ kind: String) throws {
        let found = try reconstructed("f32", kind: kind).pixels
        let expected = try Golden("tiny").expected().values("reconstruction_rgb24")
        let differences = zip(found, expected).map { abs(Float($0) - $1) }
        #expect(found.count == expected.count)
        #expect(differences.max() ?? 9 <= 1)
        #expect(differences.count { $0 == 0 } * 1000 >= differences.count * 999)
    }

    @Test(arguments: [("bf16", Float(0.3), Float(2)), ("int8", 0.6, 4)])
    func `a narrow precision gives nearly the golden pixels`(
        _ precision: String, _ mean: Float, _ largest: Float
    ) throws {
        let found = try reconstructed(precision).pixels
        let expected = try Golden("tiny").expected().values("reconstruction_rgb24")
        let differences = zip(found, expected).map { abs(Float($0) - $1) }
        #expect(found.count == expected.count)
        #expect(differences.contains { $0 != 0 }, "\(precision) is not in use")
        let sum = differences.reduce(0, +)
        #expect(sum <= mean * Float(differences.count), "\(sum / Float(differences.count))")
        #expect(differences.max() ?? 99 <= largest)
    }

    @Test func `auto is the precision that it names, and that one is the right one`() throws {
        let (automatic, said) = try reconstructed("auto")
        let names = [
            ("f32", "float32 (auto)"), ("bf16", "bfloat16 by the CPU's instructions (auto)"),
        ]
        let named = names.filter { said.contains($0.1) }.map(\.0)
        #expect(named == [Precision.automatic.rawValue], "\(said)")
        for (precision, _) in names {
            let same = try reconstructed(precision).pixels == automatic
            #expect(same == (named == [precision]), "auto is \(named), and \(precision)")
        }
        print("auto means \(named.joined()) here")
    }
}
