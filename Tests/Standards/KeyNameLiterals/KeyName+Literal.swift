import ACME

/// Tests write names as they are. A name that is none ends the test program: for tests only.
extension KeyName: ExpressibleByStringInterpolation {
    public init(stringLiteral text: String) {
        do { try self.init(text) } catch { preconditionFailure("\(error)") }
    }
}
