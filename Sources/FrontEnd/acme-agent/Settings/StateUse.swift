/// How a command uses the state directory.
enum StateUse {
    /// It changes an existing one.
    case expected
    /// It only reads an existing one.
    case read
    /// It creates it.
    case made
    /// It does not use it.
    case none

    var changesIt: Bool { self == .expected || self == .made }
}
