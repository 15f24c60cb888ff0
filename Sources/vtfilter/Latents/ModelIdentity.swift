import LatentIO
import VidTwin

/// What a model's latents are known by.
struct ModelIdentity {
    let configSHA256: String
    let checkpointSHA256: String

    init(_ opened: OpenedModel) {
        configSHA256 = opened.configuration.fingerprint
        checkpointSHA256 = opened.checkpointSHA256
    }

    /// Refuses latents of another model, unless forced (then only shapes must agree).
    func check(_ sample: LatentSample, force: Bool) throws {
        func differs(_ what: String, _ mine: String, _ found: String) -> ForeignLatents {
            ForeignLatents(
                description:
                    "\(sample.key): latents of another \(what): expected \(mine.prefix(16))…, "
                    + "found \(found.prefix(16))…; --force decodes them all the same where shapes agree"
            )
        }
        if force { return }
        if sample.info.configSHA256 != configSHA256 {
            throw differs("configuration", configSHA256, sample.info.configSHA256)
        }
        if sample.info.checkpointSHA256 != checkpointSHA256 {
            throw differs("checkpoint", checkpointSHA256, sample.info.checkpointSHA256)
        }
    }
}

/// Latents that belong to another model.
struct ForeignLatents: Error, CustomStringConvertible {
    let description: String
}
