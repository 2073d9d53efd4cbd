import ACME

/// Lets tests write key names as literals. An invalid name ends the test program: for tests only.
extension KeyName: ExpressibleByStringInterpolation {
    public init(stringLiteral text: String) {
        do { try self.init(text) } catch { preconditionFailure("\(error)") }
    }
}
