public import TensorFiles

/// What can be wrong with latents is what can be wrong with a stream of arrays. Where a stream ends
/// within a member, all whole samples before it were delivered.
public typealias LatentError = StreamError
