import ArgumentParser

/// The servers that `deploy` knows.
enum ServerKind: String, CaseIterable, ExpressibleByArgument {
    case nginx, haproxy, apache, postfix, dovecot
}

/// What differs between servers: data, from which `DeploymentPlan` makes the steps and `DeploymentCheck` its questions.
///
/// In its texts `{certificate}`, `{key}`, `{name}` and the other names of `Deployment.values` stand for what this
/// machine has.
struct ServerTemplate: Sendable {
    /// Where the server takes the environment variable OPENSSL_CONF from.
    enum Environment: Sendable {
        /// Its systemd unit.
        case unit
        /// A setting of its own, a list that `read` prints.
        case setting(name: String, read: [String], change: SettingChange)
    }

    /// How a setting is changed: `{value}` stands for OpenSSL's variable.
    enum SettingChange: Sendable {
        /// A command that gets all of the setting; the list that it has if it cannot be read.
        case command(String, standard: String)
        /// A line of a file that adds to the setting.
        case line(String, file: String)
    }

    /// Where the server's processes connect to the agent.
    enum SocketAccess: Sendable {
        /// At the agent's socket: they have all groups of their user.
        case groupsOfUser
        /// At a socket of their own: they keep one group, and see another root if `chroot` finds one.
        case ownSocket(chroot: Chroot)
    }

    /// What allows TLS 1.2 as well: the lines and commands above are for TLS 1.3 alone.
    enum TLS12: Sendable {
        /// In place of the line that begins with the same word.
        case line(String)
        /// In place of the last command.
        case command(String)
    }

    /// Where the root of the server's processes is configured.
    enum Chroot: Sendable {
        /// The word after a keyword in a file; Debian's default if the file cannot be read.
        case keyword(String, file: String, standard: String)
        /// What a command prints, and a folder below it; only if a line of another command's output ends in `= y`.
        case command([String], folder: String = "", condition: [String]?, standard: String)
    }

    /// In sentences.
    var title: String
    var unit: String
    /// Names of its processes, the main one first (proc(5), `comm`).
    var processes: [String]
    /// The users of its processes in Linux distributions; the first one that exists.
    var users: [String]
    var environment: Environment
    var access: SocketAccess
    /// Where its lines belong.
    var file: String
    /// The folders of its configuration in Linux distributions.
    var folders: [String]
    /// The lines of its configuration, or commands that write them.
    var lines: String = ""
    var commands: [String] = []
    /// What allows TLS 1.2 as well.
    var tls12: TLS12
    /// What its lines need in addition, as a sentence.
    var note: String?
    /// The command that tests its configuration.
    var test: String
    /// Whether the deploy hook also writes a file that the server loads, and so must run before the first start.
    var hookWritesFile = false
    var port: UInt16
    /// The protocol of openssl-s_client(1)'s `-starttls`.
    var startTLS: String?

    var hook: String { "reload-" + hookName }
    private var hookName: String { title.lowercased() }
}

extension ServerKind {
    var template: ServerTemplate {
        switch self {
        case .nginx:
            ServerTemplate(
                title: "nginx", unit: "nginx", processes: ["nginx"], users: ["www-data", "nginx"], environment: .unit,
                access: .groupsOfUser, file: "the server block, in /etc/nginx", folders: ["/etc/nginx"],
                lines: """
                    listen 443 ssl;
                    ssl_protocols TLSv1.3;
                    ssl_certificate {certificate};
                    ssl_certificate_key {key};
                    """,
                tls12: .line("ssl_protocols TLSv1.2 TLSv1.3;"), test: "nginx -t", port: 443)
        case .haproxy:
            ServerTemplate(
                title: "HAProxy", unit: "haproxy", processes: ["haproxy"], users: ["haproxy"], environment: .unit,
                access: .ownSocket(chroot: .keyword("chroot", file: "/etc/haproxy/haproxy.cfg", standard: "/var/lib/haproxy")),
                file: "the frontend, in /etc/haproxy/haproxy.cfg", folders: ["/etc/haproxy"],
                lines: """
                    bind :443 ssl crt /etc/haproxy/tls/{name}.pem ssl-min-ver TLSv1.3
                    error-log-format "%ci:%cp %[fc_err_str] %[ssl_fc_err_str]"
                    """,
                tls12: .line("bind :443 ssl crt /etc/haproxy/tls/{name}.pem ssl-min-ver TLSv1.2"),
                note: "HAProxy loads one file with the chain and the key file, which the deploy hook writes",
                test: "haproxy -c -f /etc/haproxy/haproxy.cfg", hookWritesFile: true, port: 443)
        case .apache:
            ServerTemplate(
                title: "Apache", unit: "apache2", processes: ["apache2", "httpd"], users: ["www-data", "apache"], environment: .unit,
                access: .groupsOfUser, file: "the virtual host, in /etc/apache2", folders: ["/etc/apache2", "/etc/httpd"],
                lines: """
                    SSLEngine on
                    SSLProtocol TLSv1.3
                    SSLCertificateFile {certificate}
                    SSLCertificateKeyFile {key}
                    """,
                tls12: .line("SSLProtocol -all +TLSv1.2 +TLSv1.3"), note: "the module ssl must be enabled: a2enmod ssl",
                test: "apachectl configtest", port: 443)
        case .postfix:
            ServerTemplate(
                title: "Postfix", unit: "postfix", processes: ["master", "smtpd"], users: ["postfix"],
                environment: .setting(
                    name: "import_environment", read: ["postconf", "-h", "import_environment"],
                    change: .command(
                        "postconf -e {value}",
                        standard: "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME")),
                access: .ownSocket(
                    chroot: .command(
                        ["postconf", "-h", "queue_directory"], condition: ["postconf", "-F", "*/inet/chroot"],
                        standard: "/var/spool/postfix")),
                file: "/etc/postfix/main.cf", folders: ["/etc/postfix"],
                commands: [
                    "postconf -e smtpd_tls_cert_file={certificate} smtpd_tls_key_file={key} smtpd_tls_chain_files=",
                    "postconf -e smtpd_tls_security_level=may 'smtpd_tls_protocols=>=TLSv1.3'",
                ],
                tls12: .command("postconf -e smtpd_tls_security_level=may 'smtpd_tls_protocols=>=TLSv1.2'"),
                note: "smtpd_tls_chain_files must be empty: it does not take key files", test: "postfix check", port: 25,
                startTLS: "smtp")
        case .dovecot:
            ServerTemplate(
                title: "Dovecot", unit: "dovecot", processes: ["dovecot", "imap-login", "pop3-login"], users: ["dovenull"],
                environment: .setting(
                    name: "import_environment", read: ["doveconf", "-h", "import_environment"],
                    change: .line("import_environment = $import_environment {value}", file: "/etc/dovecot/conf.d/99-acme-agent.conf")),
                access: .ownSocket(
                    chroot: .command(
                        ["doveconf", "-h", "base_dir"], folder: "/login", condition: nil, standard: "/run/dovecot/login")),
                file: "/etc/dovecot/conf.d/99-acme-agent.conf", folders: ["/etc/dovecot"],
                lines: """
                    ssl = yes
                    ssl_min_protocol = TLSv1.3
                    ssl_cert = <{certificate}
                    ssl_key = <{key}
                    """,
                tls12: .line("ssl_min_protocol = TLSv1.2"), test: "doveconf -n >/dev/null", port: 993)
        }
    }
}
