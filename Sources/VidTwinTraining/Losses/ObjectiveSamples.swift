package import VidTwin

extension Objective {
    package func samples(of clips: Tensor) throws -> Samples {
        prepareProducts()
        let latents = model.moments(of: clips, nil).mean
        var samples = Samples()
        samples.clips = [
            ("inputs", clips), ("reconstructions", try model.decoded(latents)),
            ("structure", try model.decoded(latents, part: .structure)),
            ("dynamics", try model.decoded(latents, part: .dynamics)),
        ]
        if clips.dim(0) > 1 {
            // The structure of each with the dynamics of the next.
            samples.clips.append(
                ("crossed", try model.decoded(latents.moving(as: latents.turned))))
        }
        samples.latents = [
            ("structure", latents.structure), ("dynamics_x", latents.dynamicsX),
            ("dynamics_y", latents.dynamicsY),
        ]
        return samples
    }
}

extension Latents {
    /// Each clip's place taken by the next one's, the last by the first's.
    fileprivate var turned: Latents {
        func turned(_ x: Tensor) -> Tensor {
            let values = x.values
            let size = values.count / max(x.dim(0), 1)
            return Tensor(x.shape, Array(values[size...] + values[..<size]), on: x.device)
        }
        return Latents(
            structure: turned(structure), dynamicsX: turned(dynamicsX), dynamicsY: turned(dynamicsY)
        )
    }
}
