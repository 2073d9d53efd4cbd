import AgentClient
import ArgumentParser

/// Options of every command, before or after the command's name.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Read this configuration. (default: $ACME_AGENT_CONFIG, or \(Settings.defaultFile) if it exists)", valueName: "file"),
        completion: .file(extensions: ["toml"]))
    var config: String?

    @Option(
        help: ArgumentHelp(
            "The agent's socket. (default: $ACME_AGENT_SOCKET, the configuration's, or \(AgentClient.defaultSocket))", valueName: "path"),
        completion: .file())
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "The CA, by its name in `acme-agent ca list`. (default: $ACME_CA, the configuration's, or \(PublicCA.standard))",
            valueName: "name"), completion: .list(PublicCA.all.map(\.name)))
    var ca: String?

    @Option(
        help: ArgumentHelp("The CA, by the URL of its ACME directory. (default: $ACME_DIRECTORY, or the configuration's)", valueName: "url")
    )
    var directory: String?

    @Flag(help: "Use the CA's staging environment.")
    var staging = false

    @Option(
        help: ArgumentHelp("Trust only the certificates in this file for the CA's own HTTPS.", valueName: "file"),
        completion: .file(extensions: ["pem", "crt"]))
    var caCertificate: String?

    @Option(
        help: ArgumentHelp(
            "Where certificates and accounts are stored. (default: the configuration's, or \(Environment.rootStateDirectory) for root)",
            valueName: "folder"), completion: .directory)
    var stateDirectory: String?

    @Flag(help: "Print one JSON object, errors included, on standard output.")
    var json = false

    @Flag(name: .shortAndLong, help: "Print only results, warnings and errors.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Print every request and every signature.")
    var verbose = false

    /// With none of the options given.
    static var unset: GlobalOptions { (try? GlobalOptions.parse([])) ?? GlobalOptions() }

    func validate() throws {
        if ca != nil, directory != nil { throw ValidationError("--ca and --directory cannot be combined") }
        if quiet, verbose { throw ValidationError("--quiet and --verbose cannot be combined") }
    }
}
