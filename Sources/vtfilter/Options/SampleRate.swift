package import VideoIO

/// A rate by which frames are chosen by time.
package struct SampleRate: OptionValue {
    package static var expected: String { "a rate up to \(Int(FrameSampler.maximumRate))" }

    /// Frames a second.
    package let rate: Rational

    package init?(option text: String) {
        guard let rate = Rational(frameRate: text), rate.value <= FrameSampler.maximumRate else {
            return nil
        }
        self.rate = rate
    }
}

/// How an evaluation chooses frames.
package enum EvaluatedFrames: OptionValue {
    /// By time.
    case sampled(SampleRate)
    /// Every frame.
    case source

    package static var expected: String { "\(SampleRate.expected), or source" }

    package init?(option text: String) {
        if text == "source" {
            self = .source
        } else if let rate = SampleRate(option: text) {
            self = .sampled(rate)
        } else {
            return nil
        }
    }

    /// Frames a second, nil for every frame.
    package var rate: Rational? {
        if case .sampled(let sampled) = self { sampled.rate } else { nil }
    }
}
