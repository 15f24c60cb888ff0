/// This release of the package.
public enum Release {
    /// The version, as in the change log; the Makefile reads it here too.
    public static let version: StaticString = "0.1.0"
}
