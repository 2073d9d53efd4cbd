import Glibc

/// Something outside the configuration that one of its entries names. It may be missing, perhaps only for a while.
enum Lookup: Hashable, Sendable {
    case user(String)
    case group(String)
    /// The MAC key of an external account.
    case account(AgentConfiguration.ExternalAccountSetting)

    /// Looks it up. Takes as long as the file system or the directory service takes.
    func answer() -> LookupAnswer {
        switch self {
        case .user(let name): Lookup.answer(UserDirectory.user(name), "user", name)
        case .group(let name): Lookup.answer(UserDirectory.group(name), "group", name)
        case .account(let setting):
            switch LoadedExternalAccount.load(setting) {
            case .success(let account): .account(account)
            case .failure(let fault): .nothing(fault.message)
            }
        }
    }

    private static func answer(_ answer: UserDirectory.Answer, _ kind: String, _ name: String) -> LookupAnswer {
        switch answer {
        case .number(let number): .number(number)
        case .unknown: .nothing("names a \(kind) that does not exist: \"\(name)\"")
        case .failed(let code): .nothing("names a \(kind) that cannot be looked up now: \"\(name)\" (\(String(cString: strerror(code))))")
        }
    }
}

/// The result of a lookup.
enum LookupAnswer: Sendable {
    /// A user's or group's number.
    case number(UInt32)
    case account(LoadedExternalAccount)
    /// Why there is nothing; continues the text after the setting that names it.
    case nothing(String)

    /// For a lookup without an answer so far.
    static let pending = LookupAnswer.nothing("names something that has not been found so far: the system does not answer")
}
