import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport

private let folder = "\(Fixtures.repository)/configs/vidtwin"
private let released = "\(folder)/vidtwin_structure_7_7_8_dynamics_7_8.yaml"

@Suite struct `Configurations` {
    @Test func `the released configuration`() throws {
        let c = try Configuration(path: released)
        #expect(c.structureShape == [16, 7, 7, 8])
        #expect(c.dynamicsXShape == [8, 16, 7] && c.dynamicsYShape == [8, 16, 7])
        #expect(c.latentCounts == (6272, 1792))
        #expect((c.frames, c.height, c.width) == (16, 224, 224))
        #expect(
            (c.encoder.depth, c.encoder.width, c.encoder.heads, c.encoder.hidden) == (
                16, 768, 12, 3072
            ))
        #expect(c.initialChannels == 128 && c.qformer.layers == 6 && c.qformer.heads == 8)
        #expect(c.notes.isEmpty)
        #expect(abs(c.compressionRate - 0.00335) < 1e-5)
    }

    @Test(arguments: [
        ("vidtwin_structure_7_7_4_dynamics_7_8_paper_0.20", [16, 7, 7, 4], [8, 16, 7]),
        ("vidtwin_structure_4_4_8_dynamics_7_8", [16, 4, 4, 8], [8, 16, 7]),
        ("vidtwin_structure_2_2_8_dynamics_7_8", [16, 2, 2, 8], [8, 16, 7]),
        ("vidtwin_structure_7_7_8_dynamics_4_8", [16, 7, 7, 8], [8, 16, 4]),
        ("vidtwin_structure_7_7_8_dynamics_2_8", [16, 7, 7, 8], [8, 16, 2]),
    ])
    func `the variants`(_ name: String, _ structure: [Int], _ dynamics: [Int]) throws {
        let c = try Configuration(path: "\(folder)/\(name).yaml")
        #expect(c.structureShape == structure)
        #expect(c.dynamicsXShape == dynamics && c.dynamicsYShape == dynamics)
    }

    /// The released configuration with one line exchanged.
    private func changed(_ line: String, _ replacement: String) throws -> Configuration {
        let text = String(decoding: Fixtures.bytes(released), as: UTF8.self)
        let parts = text.split(separator: line, maxSplits: 1, omittingEmptySubsequences: false)
        try #require(parts.count == 2, "\(line) is not in the file")
        let new = parts[0] + replacement + parts[1]
        return try Configuration(text: Array(new.utf8), path: "x.yaml")
    }

    @Test(arguments: [
        ("expect_ch: 8", "expect_ch: ${channels}", "channels: 8"),
        ("expect_ch: 8", "expect_ch: ${a.b}", "a: {b: '${c[1]}', x: 1}\nc: [1, 8]"),
        ("expect_ch: 8", "expect_ch: ${.d_dim}", ""),
        ("expect_ch: 8", "expect_ch: ${...top.1}", "top: [1, 8]"),
        ("expect_ch: 8", "expect_ch: ${sizes.${kind}}", "kind: large\nsizes: {large: 8, small: 4}"),
        ("num_query_tokens: 16", "num_query_tokens: ${a}${b}", "a: 1\nb: '6'"),
        (
            "input_size: [16, 224, 224]", "input_size: ${size}",
            "size: [16, '${side}', \"${.[1]}\"]\nside: 224"
        ),
        ("input_size: [16, 224, 224]", "input_size: [16, '${......d}', '${d}']", "d: 224"),
        ("    d_dim: 8", "    <<: *d", "d: unused"),
        (
            "    d_dim: 8",
            "    d_dim: 8\n    <<: [{d_dim: 9, expect_ch: 5}, {d_dim: 7, init_ch: 128}]", ""
        ),
        (
            "target: vidtwin.modules.st_transformer.STTEncoder\n      params:",
            "target: ${x}\n      params:", "x: ${y}\ny: ${x}"
        ),
    ])
    func `interpolations and merge keys give the released configuration`(
        _ line: String, _ replacement: String, _ more: String
    ) throws {
        let anchor = "anchored: &d {d_dim: 8}\n"
        var text = String(decoding: Fixtures.bytes(released), as: UTF8.self)
        try #require(text.contains(line), "\(line) is not in the file")
        if let range = text.firstRange(of: line) { text.replaceSubrange(range, with: replacement) }
        let c = try Configuration(text: Array((anchor + text + "\n\(more)\n").utf8), path: released)
        #expect(try c == Configuration(path: released))
    }

    @Test(arguments: [
        ("expect_ch: 8", "expect_ch: ${a}", "a: ${b}\nb: ${a}", "that end"),
        ("expect_ch: 8", "expect_ch: ${.expect_ch}", "", "that end"),
        ("expect_ch: 8", "expect_ch: ${a.b}", "a: {c: 8}", "no b"),
        ("expect_ch: 8", "expect_ch: ${oc.env:HOME}", "", "resolver"),
        ("expect_ch: 8", "expect_ch: ${a", "", "closing }"),
        ("expect_ch: 8", "expect_ch: ${.......a}", "", "more dots"),
        ("expect_ch: 8", "expect_ch: x${a}", "a: [8]", "a list or mapping"),
        ("expect_ch: 8", "expect_ch: \\${a}", "a: 8", "${a}"),
        (
            "expect_ch: 8", "expect_ch: ${a0}",
            (0..<40).map { "a\($0): '${a\($0 + 1)}${a\($0 + 1)}'" }.joined(separator: "\n")
                + "\na40: 8",
            "that end"
        ),
        ("expect_ch: 8", "<<: 3", "", "mapping"),
        (
            "expect_ch: 8", "expect_ch: 8",
            "m0: &m0 {" + (0..<400).map { "k\($0): 1" }.joined(separator: ", ") + "}\n"
                + (0..<200).map { "n\($0): {<<: *m0}" }.joined(separator: "\n"), "merged keys"
        ),
    ])
    func `interpolations that lead nowhere and merges without bound are refused`(
        _ line: String, _ replacement: String, _ more: String, _ words: String
    ) {
        let text = String(decoding: Fixtures.bytes(released), as: UTF8.self)
            .replacing(line, with: replacement)
        let error = #expect(throws: ModelError.self) {
            try Configuration(text: Array("\(text)\n\(more)\n".utf8), path: "x.yaml")
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains(words), "\(error.map { "\($0)" } ?? "")")
    }

    @Test(arguments: [
        ("expect_ch: 8", "expect_ch: eight", "model.params.expect_ch", "eight"),
        ("expect_ch: 8", "expect_chan: 8", "model.params.expect_chan", "expect_chan"),
        ("    expect_ch: 8", "", "model.params.expect_ch", "no such key"),
        ("expect_ch: 8", "expect_ch: -1", "model.params.expect_ch", "-1"),
        ("downsample_motion: True", "downsample_motion: 3", "downsample_motion", "true or false"),
        (
            "hidden_size: 768\n        depth", "hidden_size: 770\n        depth", "hidden_size",
            "multiple of 4"
        ),
        ("input_size: [16, 224, 224]", "input_size: [16, 224]", "input_size", "list of 2"),
        ("input_size: [16, 224, 224]", "input_size: [16, 225, 224]", "input_size", "225"),
        ("input_size: [16, 224, 224]", "input_size: [16, 224, x]", "input_size[2]", "\"x\""),
        ("input_size: [16, 224, 224]", "input_size: [8192, 8192, 8192]", "input_size", "at most"),
        ("encoder_hidden_size: 768", "encoder_hidden_size: 512", "encoder_hidden_size", "512"),
        ("query_hidden_size: 64", "query_hidden_size: 60", "query_hidden_size", "multiple"),
        ("in_channels: 3", "in_channels: 4", "in_channels", "4"),
        ("    d_dim: 8", "    d_dim: 8\n    shuffle_content: true", "shuffle_content", "false"),
        ("    d_dim: 8", "    d_dim: 8\n    d_dim: 9", "line", "once"),
        ("    d_dim: 8", "    d_dim: 8\n    temporal_down_dim: 32", "temporal_down_dim", "knows"),
        (
            "temporal_casual: true", "temporal_casual: true\n        no_temporal: true",
            "no_temporal", "false"
        ),
        ("model:", "modell:", "model", "no such key"),
        ("    d_dim: 8", "    d_dim: [8", "line", "expected YAML"),
        ("    d_dim: 8", "    d_dim: {a: b}", "d_dim", "mapping of 1"),
    ])
    func `Reference: an unknown knob, or any other fault, is named with its place`(
        _ line: String, _ replacement: String, _ place: String, _ words: String
    ) {
        let error = #expect(throws: ModelError.self) { try changed(line, replacement) }
        let text = "\(error.map { "\($0)" } ?? "")"
        #expect(text.contains(place) && text.contains(words) && text.contains("x.yaml"), "\(text)")
    }

    @Test func `a knob of another backend is noted once and has no effect`() throws {
        let c = try changed(
            "temporal_casual: true", "temporal_casual: true\n        enable_flashattn: false")
        #expect(c.notes.count == 1)
        #expect(c.notes[0].contains("enable_flashattn"))
    }

    @Test func `Reference: downsampled dynamics need a square grid, and the reason is given`()
        throws
    {
        let golden = Golden("nonsquare")
        #expect(try Configuration(path: golden.configurationPath).encoder.grid.columns == 6)
        let text = String(decoding: Fixtures.bytes(golden.configurationPath), as: UTF8.self)
            .split(separator: "downsample_motion: false", omittingEmptySubsequences: false)
            .joined(separator: "downsample_motion: true")
        let error = #expect(throws: ModelError.self) {
            try Configuration(text: Array(text.utf8), path: "x.yaml")
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains("square grid"))
    }

    @Test func `hostile YAML is refused quickly`() {
        let deep = String(repeating: "[", count: 100_000)
        let wide = "a: &a [x, x]\n" + (0..<40).map { "k\($0): &k\($0) [*a, *a]\n" }.joined()
        let loop = "model: &m\n  params: *m\n"
        let large = [UInt8](repeating: UInt8(ascii: "#"), count: 2 << 20)
        let keys = "model:\n" + (0..<90_000).map { " k\($0): 1\n" }.joined()
        let number = "model:\n params:\n  expect_ch: 1" + String(repeating: "0", count: 500_000)
        let tag = "model: !!python/object/apply:os.system [touch x]\n"
        let start = ContinuousClock.now
        for text in [deep, wide, loop, keys, number, tag, "model: &a\n", "? [a]\n: b\n", "*a\n"] {
            #expect(throws: ModelError.self, "\(text.prefix(40))") {
                try Configuration(text: Array(text.utf8), path: "x.yaml")
            }
        }
        #expect(ContinuousClock.now - start < .seconds(20))
        for text: [UInt8] in [[], [0, 1, 2, 0xff]] {
            #expect(throws: ModelError.self) { try Configuration(text: text, path: "x.yaml") }
        }
        let folder = Fixtures.temporaryFolder()
        Fixtures.write(large, to: "\(folder)/large.yaml")
        #expect(throws: ModelError.self) { try Configuration(path: "\(folder)/large.yaml") }
    }

    @Test func `a file that is missing or a folder is named`() {
        for path in ["/nowhere/x.yaml", Fixtures.folder] {
            let error = #expect(throws: ModelError.self) { try Configuration(path: path) }
            #expect("\(error.map { "\($0)" } ?? "")".contains(path))
        }
    }

    @Test func `mutated configurations are read or refused, and never trap`() {
        let intact = Fixtures.bytes(released)
        var random = SplitMix64(seed: 11)
        for _ in 0..<3000 {
            var bytes = intact
            for _ in 0..<Int(random.next() % 6 + 1) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            _ = try? Configuration(text: bytes, path: "x.yaml")
        }
    }
}

@Suite struct `Weights that do not fit` {
    @Test func `Reference: every missing, unexpected and mis-shaped name stands in one error`()
        throws
    {
        let golden = Golden("tiny")
        let text = String(decoding: Fixtures.bytes(golden.configurationPath), as: UTF8.self)
        // One block more in the encoder, another dynamics width, and one block less in the decoder.
        var parts = text.components(separatedBy: "depth: 2")
        parts = [parts[0] + "depth: 3" + parts[1] + "depth: 1" + parts[2]]
        let changed = parts[0].components(separatedBy: "d_dim: 8").joined(separator: "d_dim: 6")
        let c = try Configuration(text: Array(changed.utf8), path: "x.yaml")
        let checkpoint = try Checkpoint(path: golden.checkpointPath())
        for load in [
            {
                _ = try VidTwinModel(
                    configuration: c, checkpoint: checkpoint, device: Device(threads: 1))
            },
            { _ = try VidTwinModel.parameterCount(c, checkpoint) },
        ] {
            let error = #expect(throws: ModelError.self) { try load() }
            guard case .weights(let path, let missing, let unexpected, let misshapen) = error else {
                Issue.record("another error: \(String(describing: error))")
                continue
            }
            #expect(path == golden.checkpointPath())
            #expect(missing.count == 13 && missing.allSatisfy { $0.hasPrefix("encoder.blocks.2.") })
            #expect(
                unexpected.count == 13
                    && unexpected.allSatisfy { $0.hasPrefix("decoder.blocks.1.") })
            #expect(
                misshapen.map(\.name).sorted()
                    == ["motion_emb.0.weight", "motion_head.bias", "motion_head.weight"])
        }
    }
}

extension String {
    /// The text between occurrences of a separator.
    fileprivate func components(separatedBy separator: String) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
