package import TensorFiles

/// Mean and deviation of latents by channel, in one pass over the clips.
package struct ChannelStatistics: Codable, Equatable {
    /// Numbers of each channel.
    package private(set) var count = 0
    /// Mean of each channel.
    package private(set) var mean: [Double]
    /// Sum of the squared differences from the mean, of each channel.
    package private(set) var squares: [Double]

    /// Nothing yet, of so many channels.
    package init(channels: Int) {
        mean = [Double](repeating: 0, count: channels)
        squares = mean
    }

    /// An array `[…, channels]`, or `[channels, …]` with the channels first.
    package init(_ array: NPYArray, channels: Int, first: Bool) {
        self.init(channels: channels)
        count = array.values.count / max(channels, 1)
        if count == 0 { return }
        for channel in 0..<channels {
            let (start, step) = first ? (channel * count, 1) : (channel, channels)
            func sum(_ term: (Double) -> Double) -> Double {
                (0..<count).reduce(0) { $0 + term(Double(array.values[start + $1 * step])) }
            }
            let mean = sum { $0 } / Double(count)
            self.mean[channel] = mean
            squares[channel] = sum { ($0 - mean) * ($0 - mean) }
        }
    }

    /// Takes in others of the same channels (Chan, Golub and LeVeque 1979).
    package mutating func join(_ other: ChannelStatistics) {
        if other.count == 0 { return }
        let (a, b) = (Double(count), Double(other.count))
        for channel in mean.indices {
            let difference = other.mean[channel] - mean[channel]
            mean[channel] += difference * b / (a + b)
            squares[channel] += other.squares[channel] + difference * difference * a * b / (a + b)
        }
        count += other.count
    }

    /// The population's standard deviation of each channel.
    package var deviation: [Double] {
        squares.map { count > 0 ? ($0 / Double(count)).squareRoot() : 0 }
    }

    /// Whether another one can be taken in, and its numbers are numbers.
    package func fits(_ other: ChannelStatistics) -> Bool {
        other.mean.count == mean.count && other.squares.count == mean.count && other.count >= 0
            && (other.mean + other.squares).allSatisfy(\.isFinite)
    }
}
