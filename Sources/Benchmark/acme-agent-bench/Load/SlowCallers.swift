import CMeasurement
import Glibc

/// Connections on which a message comes byte by byte.
final class SlowCallers {
    private let message: [UInt8]
    private var descriptors: [Int32] = []
    /// Seconds between two bytes of one connection.
    private static let pace = 2.0
    private static let pause = 0.01

    init(message: [UInt8]) { self.message = message }

    deinit { for descriptor in descriptors { close(descriptor) } }

    func add(_ descriptor: Int32) { descriptors.append(descriptor) }

    var stillOpen: Int { descriptors.count(where: HostileCallers.isOpen) }

    func run(seconds: Double) -> Outcome {
        _ = cmeasurement_pin(0, Flood.processor)
        var outcome = Outcome(), next = 0.0
        let start = Clock.seconds()
        while Clock.seconds() - start < seconds {
            next += Double(descriptors.count) * SlowCallers.pause / SlowCallers.pace
            while Double(outcome.calls) < next, !descriptors.isEmpty {
                let byte = [message[outcome.calls / descriptors.count % message.count]]
                _ = send(descriptors[outcome.calls % descriptors.count], byte, 1, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                outcome.calls += 1
            }
            usleep(UInt32(SlowCallers.pause * 1e6))
        }
        outcome.seconds = Clock.seconds() - start
        return outcome
    }
}
