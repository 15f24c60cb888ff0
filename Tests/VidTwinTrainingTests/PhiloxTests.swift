import TensorFiles
import Testing
import VidTwin
import VidTwinTestSupport

import VidTwinTraining

struct PhiloxTests {
    private struct Row: Decodable {
        let seed: UInt64?
        let site, clip, step: UInt32?
        let normals: [Double]?
        let keep_0_1: String?
        let counter, key: [String]?
    }

    @Test func `words, normals and masks are the golden ones`() throws {
        let rows = try TrainingGoldens.rows("random", as: [Row].self)
        #expect(rows.count == 6)
        for (index, row) in rows.enumerated() {
            guard let seed = row.seed, let site = row.site, let clip = row.clip,
                let batch = row.step, let expected = row.normals, let keeps = row.keep_0_1
            else { continue }
            let random = Philox(seed: seed)
            for (i, word) in try goldenWords(index).enumerated() {
                #expect(random.word(i, site: site, clip: clip, batch: batch) == word)
            }
            var normals = [Float](repeating: 0, count: 9)
            random.normals(0..<9, site: site, clip: clip, batch: batch, into: &normals)
            for (a, b) in zip(normals, expected.floats) {
                #expect(abs(a - b) <= b.ulp, "\(a) \(b)")
            }
            // A part of them is the same.
            var part = [Float](repeating: 0, count: 4)
            random.normals(3..<7, site: site, clip: clip, batch: batch, into: &part)
            #expect(part == Array(normals[3..<7]))
            var mask = [Bool](repeating: false, count: 40)
            random.keeps(0..<40, dropping: 0.1, site: site, clip: clip, batch: batch, into: &mask)
            #expect(mask.map { $0 ? "1" : "0" }.joined() == keeps)
        }
    }

    /// The words of a row that is no test vector.
    private func goldenWords(_ index: Int) throws -> [UInt32] {
        struct Words: Decodable {
            let words: [UInt32]
            enum CodingKeys: CodingKey { case words }
            init(from decoder: any Swift.Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                words = (try? container.decode([UInt32].self, forKey: .words)) ?? []
            }
        }
        return try TrainingGoldens.rows("random", as: [Words].self)[index].words
    }

    @Test func `the published test vector of all ones`() {
        let ones = UInt32.max
        let words = Philox(seed: .max)(SIMD4(ones, ones, ones, ones))
        #expect(words == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    }
}

struct InitialWeightsTests {
    private func weights(seed: UInt64) throws -> InitialWeights {
        let path = "\(TrainingGoldens.folder)/causal/initial.safetensors"
        let checkpoint = try Checkpoint(path: path)
        return InitialWeights(
            checkpoint.tensors.mapValues(\.shape),
            configuration: try Configuration(path: "\(TrainingGoldens.folder)/causal/config.yaml"),
            seed: seed, logVariance: 0.3)
    }

    private func read(_ weights: InitialWeights, _ name: String) -> [Float] {
        var values = [Float](
            repeating: .nan, count: (weights.shapes[name] ?? []).reduce(1, *))
        values.withUnsafeMutableBufferPointer { weights.read(name, into: $0) }
        return values
    }

    @Test func `each weight is distributed as the table says`() throws {
        let weights = try weights(seed: 23)
        func expect(
            _ name: String, _ distribution: InitialWeights.Distribution,
            _ location: SourceLocation = #_sourceLocation
        ) {
            #expect(weights.shapes[name] != nil, "\(name)", sourceLocation: location)
            #expect(
                weights.distribution(name) == distribution, "\(name)", sourceLocation: location)
        }
        expect("encoder.blocks.0.attn.qkv.weight", .uniform((6.0 / 64).squareRoot()))
        expect("encoder.blocks.1.attn_temp.proj.weight", .constant(0))
        expect("decoder.blocks.0.mlp.fc1.bias", .constant(0))
        expect("decoder.blocks.0.scale_shift_table", .normal(mean: 0, deviation: 0.25))
        expect("encoder.x_embedder.proj.weight", .uniform((6.0 / (16 + 192)).squareRoot()))
        expect("encoder.x_embedder.proj.bias", .uniform(1 / 192.0.squareRoot()))
        expect("encoder.final_layer.linear.weight", .constant(0))
        expect("decoder.final_layer.linear.weight", .uniform(0.25))
        expect("decoder.final_layer.linear.bias", .uniform(0.25))
        expect("temporal_qformer.query_embeds", .normal(mean: 0, deviation: 1))
        expect("temporal_qformer.qformer.layernorm.weight", .constant(1))
        expect(
            "temporal_qformer.qformer.encoder.layer.0.attention.attention.query.weight",
            .normal(mean: 0, deviation: 0.02))
        expect("conv_in.bias", .uniform(1 / (16.0 * 9).squareRoot()))
        expect("cont_emb.2.weight", .uniform(0.5))
        expect("loss.logvar", .constant(Double(Float(0.3))))
        expect("loss.discriminator.main.0.weight", .normal(mean: 0, deviation: 0.02))
        expect("loss.discriminator.main.0.bias", .uniform(1 / 48.0.squareRoot()))
        expect("loss.discriminator.main.3.weight", .normal(mean: 1, deviation: 0.02))
        expect("loss.discriminator.main.3.bias", .constant(0))
        expect("loss.discriminator.main.3.running_var", .constant(1))
    }

    @Test func `a seed makes the same weights again, another seed others`() throws {
        let name = "decoder.blocks.0.mlp.fc1.weight"
        let first = read(try weights(seed: 1), name)
        #expect(first == read(try weights(seed: 1), name))
        #expect(first != read(try weights(seed: 2), name))
        #expect(first != read(try weights(seed: 1), "encoder.blocks.0.mlp.fc1.weight"))
        let mean = first.reduce(0) { $0 + Double($1) } / Double(first.count)
        let square = first.reduce(0) { $0 + Double($1 * $1) } / Double(first.count)
        let bound = (6.0 / Double(16 + 64)).squareRoot()
        #expect(abs(mean) < 0.05 && abs(square / (bound * bound / 3) - 1) < 0.1)
    }

    @Test func `position tables are the reference's`() throws {
        let path = "\(TrainingGoldens.folder)/causal/initial.safetensors"
        let (checkpoint, weights) = (try Checkpoint(path: path), try weights(seed: 0))
        for name in weights.shapes.keys where name.contains("pos_embed") {
            let difference = Difference(read(weights, name), try checkpoint.values(name))
            #expect(difference.relative < 1e-7, "\(name): \(difference)")
        }
    }
}
