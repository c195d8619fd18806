// The numbers of SPEC.md.
#ifndef WIRE_H
#define WIRE_H

enum wire_type {
    CMD_INFO = 0x01,
    CMD_PING = 0x02,
    CMD_CONFIGURE = 0x03,
    CMD_RECEIVE = 0x04,
    CMD_TRANSMIT = 0x05,
    CMD_CANCEL = 0x06,
    CMD_STATISTICS = 0x07,
    CMD_RESET = 0x08,
    WIRE_ANSWER = 0x80,
    EVENT_RECEIVED = 0x41,
    EVENT_TRANSMITTED = 0x42,
    EVENT_BOOT = 0x43,
    WIRE_ERROR = 0xFF,
};

// What a command comes to: 0, or the code of an error answer with its sign turned.
enum status {
    STATUS_OK = 0,
    ERROR_TYPE = -1,
    ERROR_LENGTH = -2,
    ERROR_VALUE = -3,
    ERROR_BUSY = -4,
    ERROR_TIME = -5,
    ERROR_NOT_CONFIGURED = -6,
    ERROR_NOTHING = -7,
    ERROR_RADIO = -8,
    ERROR_VERSION = -9,
};

enum { TX_SENT = 0, TX_MISSED = 1, TX_FAILED = 2 };
enum { CRC_ABSENT = 0, CRC_GOOD = 1, CRC_WRONG = 2 };
enum { MODE_LISTEN_OFF = 0, MODE_LISTEN_FIXED = 1, MODE_LISTEN_HOP = 2, MODE_LISTEN_SCAN = 3 };
enum { FEATURE_HOP = 1, FEATURE_SCAN = 2 };
enum {
    INFO_LENGTH = 18 + 18,
    STATISTICS_LENGTH = 60,
    RECEIVED_HEAD = 22,
    TRANSMITTED_LENGTH = 10,
    PING_MAX = 16,
    HOP_MAX = 8,
    TX_LEAD_US = 10000,
    COMMANDS_OPEN = 2,
};

#endif
