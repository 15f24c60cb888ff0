import Glibc
import TensorFiles
import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport

@Suite struct `Memory` {
    @Test(arguments: Golden.all, Precision.allCases)
    func `a clip takes no more than is made sure of when a model is opened`(
        _ golden: Golden, _ precision: Precision
    ) throws {
        let device = Device(threads: 2)
        try check(try golden.model(on: device, precision: precision))
    }

    @Test(arguments: Precision.allCases)
    func `nor of the bundled model`(_ precision: Precision) throws {
        let folder = "\(Fixtures.repository)/models/vidtwin-nano"
        try check(
            try VidTwinModel(
                configuration: Configuration(path: "\(folder)/config.yaml"),
                checkpoint: Checkpoint(path: "\(folder)/model.safetensors"),
                device: Device(threads: 2), precision: precision))
    }

    private func check(_ model: VidTwinModel) throws {
        let (device, c) = (model.device, model.configuration)
        let clip = Tensor(
            model.clipShape(),
            [Float](repeating: 0.25, count: model.clipShape().reduce(1, *)), on: device)
        _ = try model.decode(try model.moments(clip).mean)
        let kept = device.keptBytes
        #expect(kept.tensors > 0 && kept.tensors <= c.workingBytes, "\(kept) \(c.workingBytes)")
        #expect(
            kept.scratch > 0 && kept.scratch <= 2 * c.scratchBytes, "\(kept) \(c.scratchBytes)")
        // A second clip has its tensors in the first one's memory.
        _ = try model.decode(try model.moments(clip).mean)
        #expect(device.keptBytes.tensors == kept.tensors)
        #expect(device.keptBytes.scratch <= 2 * c.scratchBytes)
    }

    @Test func `memory that nobody wanted for a while is given back`() {
        let device = Device(threads: 1)
        for size in 1...100 { _ = Tensor([size * 1000], on: device) }
        let before = device.keptBytes.tensors
        #expect(before >= 100 * 101 / 2 * 4000)
        for _ in 0..<10_000 { _ = Tensor([100], on: device) }
        #expect(device.keptBytes.tensors < 1000)
    }

    @Test func `more than there can be is an error`() {
        let device = Device(threads: 1)
        for bytes in [Int.max / 4, 1 << 47] {
            let error = #expect(throws: ModelError.self) {
                try device.require(tensors: bytes, scratch: 0, for: "a test")
            }
            #expect("\(error.map { "\($0)" } ?? "")".hasPrefix("no memory for a test"))
        }
    }
}
