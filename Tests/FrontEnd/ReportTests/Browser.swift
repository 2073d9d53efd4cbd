import Foundation
import Glibc
import ProcessWaiting
import Synchronization

/// A headless Chromium, driven by the DevTools protocol over a pipe: nothing listens, and the page needs no script of its
/// own.
final class Browser {
    struct Mistake: Error, CustomStringConvertible { var description: String }

    /// Debian's package; `nil` where it is not installed.
    static let program = ["/usr/bin/chromium"].first { FileManager.default.isExecutableFile(atPath: $0) }

    private let process: Process
    private let folder: String
    private let commands: Int32
    private let answers: Int32
    /// The beginning of a message.
    private var received = Data()
    private var number = 0
    private var session: String?
    /// Events of the page in their order.
    private(set) var events: [(method: String, parameters: [String: Any])] = []

    /// How long an answer may take: a machine that builds at the same time is slow.
    private static let patience = 30

    init(_ program: String) throws {
        folder = FileManager.default.temporaryDirectory.path + "/browser-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["/commands", "/answers"] where mkfifo(folder + name, 0o600) != 0 { throw Mistake(description: "mkfifo: \(errno)") }
        // Open for both, so that neither end waits for the other.
        commands = open(folder + "/commands", O_RDWR | O_CLOEXEC)
        answers = open(folder + "/answers", O_RDWR | O_CLOEXEC | O_NONBLOCK)
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = [
            "-c", "exec \"$0\" \"$@\" 3<'\(folder)/commands' 4>'\(folder)/answers' >'\(folder)/log' 2>&1", program, "--headless=new",
            "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
            "--user-data-dir=\(folder)/profile", "about:blank",
        ]
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder, "LC_ALL": "C.UTF-8", "TZ": "UTC"]
        process.standardInput = FileHandle.nullDevice
        // Its own files otherwise: `runAlone` closes what it hands over.
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.runAlone()
        do {
            let target = try call("Target.createTarget", ["url": "about:blank"])["targetId"] as? String ?? ""
            session = try call("Target.attachToTarget", ["targetId": target, "flatten": true])["sessionId"] as? String
            for domain in ["Page", "Runtime", "Log", "Network", "Audits"] { try call("\(domain).enable") }
        } catch {
            end()
            throw error
        }
    }

    /// Ends the browser, with all its processes.
    func end() {
        session = nil
        _ = try? call("Browser.close")
        for _ in 0..<50 where process.isRunning { usleep(100_000) }
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitAsleep()
        close(commands)
        close(answers)
        try? FileManager.default.removeItem(atPath: folder)
    }

    // MARK: Pages

    struct View {
        var width = 1_600
        var height = 1_000
        var isDark = false
        var isPrinted = false
    }

    /// Shows a file, and forgets what happened before.
    func show(_ file: String, _ view: View) throws {
        try call(
            "Emulation.setDeviceMetricsOverride",
            ["width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": view.width < 600])
        try call(
            "Emulation.setEmulatedMedia",
            [
                "media": view.isPrinted ? "print" : "screen",
                "features": [["name": "prefers-color-scheme", "value": view.isDark ? "dark" : "light"]],
            ])
        events = []
        try call("Page.navigate", ["url": URL(fileURLWithPath: file).absoluteString])
        try wait { browser in browser.events.contains { $0.method == "Page.loadEventFired" } }
    }

    /// The value of an expression, as JSON has it.
    func value(_ expression: String) throws -> Any? {
        let answer = try call("Runtime.evaluate", ["expression": expression, "returnByValue": true])
        if let failure = answer["exceptionDetails"] { throw Mistake(description: "\(expression): \(failure)") }
        return (answer["result"] as? [String: Any])?["value"]
    }

    /// The whole page as PNG.
    func image() throws -> Data { try data("Page.captureScreenshot", ["format": "png", "captureBeyondViewport": true]) }

    /// The page on paper, as PDF.
    func paper() throws -> Data { try data("Page.printToPDF", ["preferCSSPageSize": true, "printBackground": false]) }

    private func data(_ method: String, _ parameters: [String: Any]) throws -> Data {
        guard let text = try call(method, parameters)["data"] as? String, let data = Data(base64Encoded: text) else {
            throw Mistake(description: "\(method) gave no data")
        }
        return data
    }

    // MARK: Messages

    /// Sends a command and waits for its answer.
    @discardableResult private func call(_ method: String, _ parameters: [String: Any] = [:]) throws -> [String: Any] {
        number += 1
        var message: [String: Any] = ["id": number, "method": method, "params": parameters]
        if let session { message["sessionId"] = session }
        let bytes = Array(try JSONSerialization.data(withJSONObject: message)) + [0]
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { write(commands, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Mistake(description: "the browser takes no commands: \(errno)") }
            sent += count
        }
        var answer: [String: Any]?
        let wanted = number
        try wait { browser in
            answer = browser.answered.removeValue(forKey: wanted)
            return answer != nil
        }
        if let error = answer?["error"] { throw Mistake(description: "\(method): \(error)") }
        return answer?["result"] as? [String: Any] ?? [:]
    }

    private var answered: [Int: [String: Any]] = [:]

    private func wait(_ isThere: (Browser) -> Bool) throws {
        let end = ContinuousClock.now + .seconds(Self.patience)
        while !isThere(self) {
            guard ContinuousClock.now < end, process.isRunning else {
                let log = (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? ""
                throw Mistake(description: "the browser does not answer: \(log.suffix(2_000))")
            }
            var ready = pollfd(fd: answers, events: Int16(POLLIN), revents: 0)
            guard poll(&ready, 1, 200) > 0 else { continue }
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            let count = read(answers, &buffer, buffer.count)
            var rest = buffer.prefix(max(count, 0))
            // Only what is new is searched: an image has megabytes.
            while let end = rest.withUnsafeBytes({ bytes in
                bytes.baseAddress.flatMap { start in memchr(start, 0, bytes.count).map { start.distance(to: UnsafeRawPointer($0)) } }
            }) {
                received.append(contentsOf: rest.prefix(end))
                take(received)
                received = Data()
                rest = rest.dropFirst(end + 1)
            }
            received.append(contentsOf: rest)
        }
    }

    private func take(_ message: Data) {
        guard let object = (try? JSONSerialization.jsonObject(with: message)) as? [String: Any] else { return }
        if let id = object["id"] as? Int {
            answered[id] = object
        } else if let method = object["method"] as? String {
            events.append((method, object["params"] as? [String: Any] ?? [:]))
        }
    }
}
