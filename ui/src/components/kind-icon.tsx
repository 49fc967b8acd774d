import {
  Box, Boxes, Brain, CalendarClock, Container, Database, DoorOpen, FileCog, FileKey, FileStack, Files, Gauge, Globe, HardDrive, KeyRound,
  Layers, Network, Puzzle, Scale, ScrollText, Server, Share2, ShieldCheck, SquareStack, Timer, User, Waypoints, type LucideIcon,
} from 'lucide-react';

const ICONS: Record<string, LucideIcon> = {
  Application: Layers,
  ApplicationSet: SquareStack,
  AppProject: ShieldCheck,
  Deployment: Boxes,
  ReplicaSet: FileStack,
  StatefulSet: Database,
  DaemonSet: Server,
  Pod: Container,
  Job: Timer,
  CronJob: CalendarClock,
  Service: Network,
  Endpoints: Share2,
  EndpointSlice: Share2,
  Ingress: Globe,
  Gateway: DoorOpen,
  HTTPRoute: Waypoints,
  VirtualService: Waypoints,
  ConfigMap: FileCog,
  Secret: FileKey,
  PersistentVolumeClaim: HardDrive,
  PersistentVolume: HardDrive,
  ServiceAccount: User,
  Role: KeyRound,
  ClusterRole: KeyRound,
  RoleBinding: KeyRound,
  ClusterRoleBinding: KeyRound,
  Namespace: Box,
  HorizontalPodAutoscaler: Gauge,
  PodDisruptionBudget: Scale,
  CustomResourceDefinition: Puzzle,
  InferenceService: Brain,
  LLMInferenceService: Brain,
  ServingRuntime: Brain,
  ClusterServingRuntime: Brain,
  SeldonDeployment: Brain,
  ModelRollout: Brain,
  ControllerRevision: Files,
  Event: ScrollText,
};

export function KindIcon({ kind, size = 16, className }: { kind: string; size?: number; className?: string }) {
  const Icon = ICONS[kind] ?? Box;
  return <Icon aria-hidden size={size} className={className} strokeWidth={1.75} />;
}
