extension Output {
    /// What the command line asks for.
    init(_ options: GlobalOptions) {
        self.init(json: options.json, verbosity: options.quiet ? .quiet : options.verbose ? .verbose : .normal)
        given.directory = options.directory
        given.ca = (options.ca.map { ["--ca", $0] } ?? []) + (options.staging ? ["--staging"] : [])
        let others = [
            ("--config", options.config), ("--socket", options.socket), ("--ca-certificate", options.caCertificate),
            ("--state-directory", options.stateDirectory),
        ]
        given.others = others.compactMap { name, value in value.map { (name, $0) } }
    }

    /// Calls the CAs of the settings by their names.
    func naming(_ cas: NamedCAs) -> Output {
        var output = self
        output.given.names = cas.all.compactMap { ca in
            guard let name = ca.name else { return nil }
            let origin = ca.directory.origin
            return .init(name: name, directory: ca.directory.text, origin: cas.name(of: origin) == nil ? nil : origin.text)
        }
        return output
    }
}
