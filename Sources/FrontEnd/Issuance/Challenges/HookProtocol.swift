/// How a DNS hook is called: as other ACME clients call theirs, so that their users' programs can be used unchanged.
public enum HookProtocol: String, CaseIterable, Sendable {
    /// `PROGRAM present|cleanup NAME VALUE`, with variables and JSON; see `DNS01Hook`.
    case acmeAgent = "acme-agent"
    /// lego's provider "exec": `PROGRAM present|cleanup NAME. VALUE`, where NAME is the record's.
    case lego
    /// The same with EXEC_MODE=RAW: `PROGRAM present|cleanup -- DOMAIN TOKEN KEY-AUTHORIZATION`.
    case legoRaw = "lego-raw"
    /// certbot's manual hooks: one program to authenticate and one to clean up, without arguments, and variables that
    /// begin with CERTBOT_.
    case certbot

    /// Other clients run one program at a time, and programs rely on that.
    var maximumPrograms: Int { self == .acmeAgent ? DNS01Hook.maximumPrograms : 1 }
}
