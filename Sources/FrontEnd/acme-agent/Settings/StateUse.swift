/// How a command uses the state directory.
enum StateUse {
    /// It works on an existing one.
    case expected
    /// It creates it.
    case made
    /// It does not use it.
    case none
}
