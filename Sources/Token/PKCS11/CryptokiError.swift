/// A Cryptoki function returned something other than CKR_OK.
public struct CryptokiError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The C function, for example "C_Sign".
    public let function: String
    /// What it returned.
    public let returnValue: ReturnValue

    /// An error of `function`, whose return value was `returnValue` (a CK_RV).
    public init(function: String, returnValue: UInt) {
        self.function = function
        self.returnValue = ReturnValue(rawValue: returnValue)
    }

    /// For example "C_Login returned CKR_PIN_INCORRECT (0xa0)".
    public var description: String { "\(function) returned \(returnValue)" }
}
