/*
 * Every name that two programs must agree on: bus names, interfaces, paths, errors.
 */
#pragma once

#include <fcntl.h>

#define BUS_NAME "org.ryzenllm1"
#define ROOT_PATH "/org/ryzenllm1"
#define MODEL_PATH_PREFIX "/org/ryzenllm1/model"     /* + "/" + sd_bus_path_encode()d name */
#define REQUEST_PATH_PREFIX "/org/ryzenllm1/request" /* + "/" + decimal number */

#define MANAGER_INTERFACE "org.ryzenllm1.Manager"
#define MODEL_INTERFACE "org.ryzenllm1.Model"
#define REQUEST_INTERFACE "org.ryzenllm1.Request"

/* The daemon's conversation with a worker, peer to peer: no bus daemon, destination NULL. */
#define WORKER_PATH "/org/ryzenllm1/worker"
#define WORKER_INTERFACE "org.ryzenllm1.Worker"

#define ERROR_NO_SUCH_MODEL "org.ryzenllm1.Error.NoSuchModel"
#define ERROR_NO_SUCH_REQUEST "org.ryzenllm1.Error.NoSuchRequest"
#define ERROR_MODEL_EXISTS "org.ryzenllm1.Error.ModelExists"
#define ERROR_MODEL_IN_USE "org.ryzenllm1.Error.ModelInUse"
#define ERROR_BAD_MODEL "org.ryzenllm1.Error.BadModel"
#define ERROR_READ_ONLY "org.ryzenllm1.Error.ReadOnly"
#define ERROR_BUSY "org.ryzenllm1.Error.Busy"
#define ERROR_WORKER_DIED "org.ryzenllm1.Error.WorkerDied"
#define ERROR_CONTEXT_TOO_LONG "org.ryzenllm1.Error.ContextTooLong"
#define ERROR_NO_CHAT_TEMPLATE "org.ryzenllm1.Error.NoChatTemplate"
#define ERROR_NOT_SUPPORTED "org.ryzenllm1.Error.NotSupported"
#define ERROR_CANCELLED "org.ryzenllm1.Error.Cancelled"
#define ERROR_NO_SPACE "org.ryzenllm1.Error.NoSpace"
#define ERROR_FAILED "org.ryzenllm1.Error.Failed"
/* Bad arguments and refused access have the bus's own names, which every D-Bus library knows. */
#define ERROR_INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define ERROR_ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"

/* Descriptors that systemd (or the daemon in its place) passes, by FileDescriptorName=. */
#define FD_NAME_HTTP "http"
#define FD_NAME_TCP "tcp"
#define FD_NAME_WORKER "worker"

/* A file status flag that a worker sets on a stream's pipe when its last line is written. The
 * daemon has the same open file: should the worker die before it replies, no second last line is
 * due. On a pipe O_APPEND means nothing else. */
#define STREAM_TOLD_FLAG O_APPEND

/* polkit actions */
#define ACTION_GENERATE "org.ryzenllm1.generate"
#define ACTION_LOAD_MODEL "org.ryzenllm1.load-model"
#define ACTION_MANAGE_MODELS "org.ryzenllm1.manage-models"
#define ACTION_INSPECT_OTHERS "org.ryzenllm1.inspect-others"
